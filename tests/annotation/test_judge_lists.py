"""Rankings and pairs of a list become one verdict; nothing depends on how completions stand."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from annotation.judges.asking.layout import OWN_TAG, Material, escaped, messages
from annotation.judges.asking.orders import all_pairs, rankings
from annotation.judges.asking.placeholders import fill
from annotation.judges.asking.wording import (
    PAIR,
    RANKING,
    REASONED,
    SCORES,
    TOKEN,
    Ask,
    Texts,
    Wording,
    levels_of,
    own,
)
from annotation.judges.protocol import Answer, combine, merge
from annotation.judges.ranked import pairs_of_rankings, tau_b, worth_of_pairs

probability = st.floats(0.02, 0.98)
SIZES = st.integers(3, 6)


@st.composite
def shown_rankings(draw: st.DrawFn) -> list[Answer]:
    size = draw(SIZES)
    orders = draw(st.lists(st.permutations(range(size)), min_size=2, max_size=4, unique_by=tuple))
    ranks = st.permutations(range(1, size + 1))
    return [Answer(tuple(order), tuple(draw(ranks))) for order in orders]


@st.composite
def shown_pairs(draw: st.DrawFn) -> list[Answer]:
    size = draw(SIZES)
    answers = []
    for order in all_pairs(size):
        p = draw(probability)
        lower = p if order[0] < order[1] else 1 - p
        answers.append(Answer(order, (1, 2) if lower > 0.5 else (2, 1), p))
    return answers


def moved(answers: list[Answer], to: list[int]) -> list[Answer]:
    """The same replies where the completion at position i stands at position to[i]."""
    found = []
    for answer in answers:
        shown = sorted(answer.shown_order or ())
        ranks = sorted((to[p], rank) for p, rank in zip(shown, answer.ranking, strict=True))
        order = tuple(to[position] for position in answer.shown_order or ())
        found.append(Answer(order, tuple(rank for _, rank in ranks), answer.p_first))
    return found


@given(probability, probability)
def test_exchanging_a_pair_exchanges_the_verdict(p_ab: float, p_ba: float) -> None:
    def verdict(forward: float, backward: float) -> tuple[float, tuple[int, ...], bool | None]:
        ranks = ((1, 2) if forward > 0.5 else (2, 1), (2, 1) if backward > 0.5 else (1, 2))
        found = merge([Answer((0, 1), ranks[0], forward), Answer((1, 0), ranks[1], backward)])
        assert found is not None
        assert found.p is not None
        return found.p, found.ranking, found.flipped

    p, ranking, flipped = verdict(p_ab, p_ba)
    other, reverse, same = verdict(p_ba, p_ab)
    assert p == pytest.approx(1 - other)
    assert ranking == reverse[::-1]
    assert flipped == same


@pytest.mark.parametrize("kind", ["rankings", "pairs"])
@given(data=st.data())
def test_moving_the_completions_moves_the_verdict(kind: str, data: st.DataObject) -> None:
    answers = data.draw(shown_rankings() if kind == "rankings" else shown_pairs())
    before = merge(answers)
    assert before is not None
    size = len(before.ranking)
    to = data.draw(st.permutations(range(size)))
    after = merge(moved(answers, to))
    assert after is not None
    assert [after.ranking[to[i]] for i in range(size)] == list(before.ranking)
    assert [after.worth[to[i]] for i in range(size)] == pytest.approx(before.worth)
    assert after.consistency == pytest.approx(before.consistency)
    assert after.gap == pytest.approx(before.gap)


@given(shown_rankings())
def test_a_list_is_its_mean_ranks_and_mean_tau(answers: list[Answer]) -> None:
    verdict = merge(answers)
    assert verdict is not None
    size = len(answers[0].ranking)
    means = [sum(a.ranking[i] for a in answers) / len(answers) for i in range(size)]
    assert list(verdict.ranking) == [1 + sum(m < mine - 1e-9 for m in means) for mine in means]
    taus = [kendalltau(a.ranking, b.ranking).statistic for a, b in combinations(answers, 2)]
    assert verdict.consistency == pytest.approx(sum(taus) / len(taus))
    assert verdict.gap == pytest.approx((1 - sum(taus) / len(taus)) / 2)
    # Worth is the share of the others that are beaten: (size - mean rank) / (size - 1).
    assert verdict.worth == pytest.approx([(size - m) / (size - 1) for m in means])


def bradley_terry(pairs: dict[tuple[int, int], float], size: int) -> list[float]:
    """Worths by the plain MM iteration, each pair counted once."""
    worth = [1.0] * size
    for _ in range(20_000):
        wins = [0.0] * size
        against = [0.0] * size
        for (i, j), p in pairs.items():
            wins[i] += p
            wins[j] += 1 - p
            for each in (i, j):
                against[each] += 1 / (worth[i] + worth[j])
        new = [w / a for w, a in zip(wins, against, strict=True)]
        scale = math.exp(sum(math.log(w) for w in new) / size)
        worth = [w / scale for w in new]
    return worth


def test_pairs_are_ordered_as_bradley_terry_orders_them() -> None:
    pairs = {(0, 1): 0.8, (0, 2): 0.4, (0, 3): 0.7, (1, 2): 0.45, (1, 3): 0.9, (2, 3): 0.35}
    worth = worth_of_pairs(pairs, 4)
    theirs = bradley_terry(pairs, 4)
    order = sorted(range(4), key=lambda i: -worth[i])
    assert order == sorted(range(4), key=lambda i: -theirs[i])


def test_all_pairs_need_both_orders_of_each() -> None:
    answers = [Answer(order, (1, 2), 0.9 if order[0] < order[1] else 0.2) for order in all_pairs(3)]
    verdict = merge(answers, size=3)
    assert verdict is not None
    assert (verdict.ranking, verdict.method) == ((1, 2, 3), "all pairs")
    p, gap, _ = combine(0.9, 0.2)
    assert verdict.pairs[0] == pytest.approx((0, 1, p))
    assert verdict.gap == pytest.approx(gap)
    assert (verdict.consistency, verdict.flipped) == (1.0, False)
    assert merge(answers[:-1], size=3) is None


def test_a_judge_of_places_is_flipped_and_inconsistent() -> None:
    answers = [Answer(order, (1, 2), 0.9) for order in all_pairs(3)]
    verdict = merge(answers, size=3)
    assert verdict is not None
    assert verdict.ranking == (1, 1, 1)
    assert (verdict.consistency, verdict.flipped) == (0.0, True)


def test_rankings_need_different_orders_where_so_many_are_asked() -> None:
    one = Answer((0, 1, 2), (1, 2, 3))
    assert merge([one], least=2) is None
    assert merge([one, one], least=2) is None
    assert merge([one]) is not None
    verdict = merge([one, Answer((2, 1, 0), (1, 3, 2))], accuracy=0.8, least=2)
    assert verdict is not None
    assert (verdict.ranking, verdict.flipped) == ((1, 2, 2), False)
    assert verdict.pairs[0] == pytest.approx((0, 1, 0.8))
    assert verdict.pairs[2] == pytest.approx((1, 2, 0.5))


def test_the_method_answered_last_counts() -> None:
    pairs = [Answer(order, (1, 2), 0.9 if order[0] < order[1] else 0.1) for order in all_pairs(3)]
    lists = [Answer((0, 1, 2), (3, 2, 1)), Answer((2, 1, 0), (3, 2, 1))]
    newest = merge([*lists, *pairs], size=3)
    assert newest is not None
    assert newest.ranking == (3, 2, 1)
    newest = merge([*pairs, *lists], size=3)
    assert newest is not None
    assert newest.ranking == (1, 2, 3)
    # What is half done does not hide what is whole.
    newest = merge([*pairs[:2], *lists], size=3)
    assert newest is not None
    assert newest.ranking == (3, 2, 1)


def test_scores_need_every_completion() -> None:
    first, second = (
        Answer((position,), (), scores=(score,), confidence=0.5)
        for position, score in enumerate((3.5, 2.0))
    )
    verdict = merge([second, first], size=2)
    assert verdict is not None
    assert (verdict.scores, verdict.ranking, verdict.p) == ((3.5, 2.0), (), None)
    assert verdict.confidence == 0.5
    assert merge([second], size=2) is None
    # Of two for one completion the first given counts; all at once is fine too.
    again = merge([Answer((0,), (), scores=(1.0,)), first, second], size=2)
    assert again is not None
    assert again.scores == (1.0, 2.0)
    assert merge([Answer(None, (), scores=(1.0, 4.0))], size=2) is not None


@given(shown_rankings())
def test_shares_of_rankings_by_counting(answers: list[Answer]) -> None:
    ranks = [answer.ranking for answer in answers]
    for (i, j), share in pairs_of_rankings(ranks, 1.0).items():
        assert share == pytest.approx(sum(r[i] < r[j] for r in ranks) / len(ranks))
    assert tau_b((1, 1, 1), (1, 2, 3)) is None


@given(st.lists(st.text(min_size=1), min_size=3, max_size=7, unique=True), st.data())
def test_orders_are_balanced_and_follow_the_texts(texts: list[str], data: st.DataObject) -> None:
    size = len(texts)
    orders = rankings(texts, size, salt="s")
    assert all(sorted(order) == list(range(size)) for order in orders)
    for place in range(size):
        assert len({order[place] for order in orders}) == size
    to = data.draw(st.permutations(range(size)))
    other = [""] * size
    for position, text in enumerate(texts):
        other[to[position]] = text
    turned = rankings(other, size, salt="s")
    assert [[other[p] for p in order] for order in turned] == [
        [texts[p] for p in order] for order in orders
    ]
    assert len(set(rankings(texts, 3, salt="s"))) == 3
    assert len(rankings(texts, 2 * size + 1, salt="s")) == 2 * size + 1


HOSTILE = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            [
                "<",
                "</",
                "<\u200b/",
                "＜/",
                "completion_a",
                "COMPLETION_B",
                ">",
                "example",
                "conversation",
                "documents",
                "reference",
                "rubric",
                "guideline",
                "&lt;",
            ]
        ),
    ),
    max_size=12,
).map("".join)


@given(HOSTILE, HOSTILE)
def test_a_text_cannot_close_its_tag(first: str, second: str) -> None:
    material = Material([{"role": "user", "content": second}], (escaped(first), escaped(second)))
    (_, user) = messages(Wording("s", "closing"), material, (0, 1))
    opened = user["content"].lower()
    for tag in ("conversation", "completion_a", "completion_b"):
        assert opened.count(f"</{tag}>") == 1
        assert opened.count(f"<{tag}>") == 1
    assert not OWN_TAG.search(escaped(first))


@given(st.text())
def test_other_text_stays_as_it_is(text: str) -> None:
    if not OWN_TAG.search(text):
        assert escaped(text) == text


def test_code_and_html_are_not_touched() -> None:
    text = "<div class='x'>&lt;</div> if a < b: List<String> x; </body>"
    assert escaped(text) == text


def test_what_a_placeholder_holds_is_not_read_again() -> None:
    assert fill("{question} {{question}} {x1}", {"question": "{levels}"}) == (
        "{levels} {{question}} {x1}"
    )


@pytest.mark.parametrize("mode", [TOKEN, REASONED])
@pytest.mark.parametrize("shape", [PAIR, RANKING, SCORES])
def test_every_shape_says_the_form_of_its_reply(shape: str, mode: str) -> None:
    ask = Ask("Which?", mode, ties=True, levels=levels_of(range(1, 6), []))
    wording = own(Texts(rubric="Of {count}, {levels}."), shape, ask, 3 if shape == RANKING else 2)
    example = {PAIR: "[[B]]", RANKING: "[[B > A > C]]", SCORES: "[[5]]"}[shape]
    for text in (wording.system, wording.closing):
        assert (example in text) == (mode == REASONED)
        assert ("nothing else" in text) == (mode == TOKEN)
    assert {PAIR: "Of 2,", RANKING: "Of 3,", SCORES: "Of 1,"}[shape] in wording.system
