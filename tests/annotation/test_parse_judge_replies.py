"""A verdict is read only where it is stated; everything else is unparsable, never a tie."""

import math

import pytest

from annotation.judges import parsing
from annotation.judges.prompts import REASONED, TOKEN, judge_messages
from core.exceptions import InvalidInput


@pytest.mark.parametrize(
    ("reply", "side"),
    [("A", "first"), (" B.\n", "second"), ("**A**", "first"), ('"B"', "second")],
)
def test_one_letter(reply: str, side: str) -> None:
    assert parsing.single_letter(reply) == side


@pytest.mark.parametrize("reply", ["", "C", "a", "AB", "A or B", "Answer: A", "tie"])
def test_anything_else_is_no_letter(reply: str) -> None:
    assert parsing.single_letter(reply) is None


@pytest.mark.parametrize(
    ("reply", "side"),
    [("Because.\n[[A]]", "first"), ("[[A]] was tempting. [[B]].", "second"), ("[[C]]", "tie")],
)
def test_the_tag_that_ends_the_reply_counts(reply: str, side: str) -> None:
    assert parsing.final_tag(reply) == side


@pytest.mark.parametrize("reply", ["", "A is better", "[[A]] or [[B]] would do here", "[[D]]"])
def test_no_final_tag(reply: str) -> None:
    assert parsing.final_tag(reply) is None


def test_share_of_the_first_token() -> None:
    top = [
        {"token": "A", "logprob": math.log(0.6)},
        {"token": " B", "logprob": math.log(0.2)},
        {"token": "The", "logprob": math.log(0.2)},
    ]
    assert parsing.first_share(top) == pytest.approx(0.75)
    assert parsing.first_share([{"token": "The", "logprob": -0.1}]) is None
    assert parsing.first_share([]) is None


def test_rankings_are_canonical_whatever_was_shown_first() -> None:
    assert parsing.ranking("first", (0, 1)) == (1, 2)
    assert parsing.ranking("first", (1, 0)) == (2, 1)
    assert parsing.ranking("second", (1, 0)) == (1, 2)
    assert parsing.ranking("tie", (1, 0)) == (1, 1)


def test_the_prompt_shows_both_and_an_unknown_version_is_refused() -> None:
    def ask(version: str, mode: str) -> str:
        messages = judge_messages(
            version=version,
            mode=mode,
            question="Which is clearer?",
            conversation=[{"role": "user", "content": "Why?"}],
            first="one",
            second="two",
        )
        return messages[-1]["content"]

    text = ask("1", TOKEN)
    assert text.index("one") < text.index("two")
    assert "Which is clearer?" in text
    assert "[[C]]" in ask("1", REASONED)
    with pytest.raises(InvalidInput, match="use one of"):
        ask("99", TOKEN)
