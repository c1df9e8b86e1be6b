"""Instances with labels to send round: what a shape can carry, no more."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
# What spreadsheets, JSON and transcripts stumble over; no text is blank, as no prompt may be.
HARD = st.sampled_from(
    [
        "=1+1",
        "'=1",
        "'quoted'",
        '"a", b',
        "line\nbreak\r\n",
        "tab\t",
        "é – “x” 𝄞",
        "\\n",
        "null",
        "0",
    ]
)
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
TEXT = st.one_of(HARD, PLAIN)
NAMES = ("ann", "ben", "cho")


@st.composite
def _instance(
    draw: st.DrawFn, number: int, *, count: int, turns: bool, people: int, says: Any
) -> Json:
    question = {"role": "user", "content": f"Question {number}: {draw(TEXT)}"}
    talk = [
        {"role": "user", "content": f"Before: {draw(TEXT)}"},
        {"role": "assistant", "content": f"Said: {draw(TEXT)}"},
    ]
    longer = turns and draw(st.booleans())
    return {
        "id": f"case-{number}",
        "prompt": [*talk, question] if longer else [question],
        "responses": [
            {"text": f"{draw(TEXT)} ({place})", "model": f"model-{place}"} for place in range(count)
        ],
        "human": [{"annotator": name} | draw(says(count)) for name in NAMES[:people]],
    }


@st.composite
def world(
    draw: st.DrawFn, *, says: Any, count: int = 2, turns: bool = True, people: int = 1
) -> list[Json]:
    """Two or three instances; `says(count)` draws what a label says beside its annotator."""
    return [
        draw(_instance(number, count=count, turns=turns, people=people, says=says))
        for number in range(draw(st.integers(2, 3)))
    ]


def strict(count: int) -> st.SearchStrategy[Json]:
    ranks = st.permutations(range(1, count + 1))
    return st.fixed_dictionaries({"ranking": ranks.map(list)})


def ranked(count: int) -> st.SearchStrategy[Json]:
    """A ranking that may tie."""
    ties = st.just({"ranking": [1] * count, "tie_kind": "tie"})
    return st.one_of(strict(count), ties) if count == 2 else strict(count)


def graded(count: int) -> st.SearchStrategy[Json]:
    """With a strength in the three steps that HelpSteer3 knows."""
    steps = st.sampled_from([1 / 3, 2 / 3, 1.0])
    return st.builds(lambda said, step: said | {"strength": step}, strict(count), steps)


def reasoned(count: int) -> st.SearchStrategy[Json]:
    return st.builds(lambda said, why: said | {"rationale": f"Because {why}"}, graded(count), TEXT)


def edited(count: int) -> st.SearchStrategy[Json]:
    def with_edit(said: Json, text: str) -> Json:
        best = said["ranking"].index(1)
        return said | {"edit": {"position": best, "text": f"Better: {text}"}}

    return st.builds(with_edit, strict(count), TEXT)


def everything(count: int) -> st.SearchStrategy[Json]:
    beside = st.fixed_dictionaries(
        {"confidence": st.integers(1, 5), "seconds": st.integers(1, 90).map(float)},
        optional={"order": st.permutations(range(count)).map(list)},
    )
    return st.builds(lambda said, more: said | more, reasoned(count), beside)


def scored(lowest: int, highest: int) -> Any:
    def says(count: int) -> st.SearchStrategy[Json]:
        score = st.integers(lowest, highest)
        return st.fixed_dictionaries({"scores": st.lists(score, min_size=count, max_size=count)})

    return says
