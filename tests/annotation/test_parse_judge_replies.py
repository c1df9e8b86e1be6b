"""A verdict is read only where it is stated; everything else is unparsable, never a tie."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.judges import parsing


@pytest.mark.parametrize(
    ("reply", "label"), [("A", "A"), (" B.\n", "B"), ("**A**", "A"), ('"B"', "B"), ("\u2581A", "A")]
)
def test_one_letter(reply: str, label: str) -> None:
    assert parsing.single_label(reply, ("A", "B")) == label


@pytest.mark.parametrize("reply", ["", "C", "a", "AB", "A or B", "Answer: A", "tie"])
def test_anything_else_is_no_letter(reply: str) -> None:
    assert parsing.single_label(reply, ("A", "B")) is None


@pytest.mark.parametrize(
    ("reply", "tag"),
    [
        ("Because.\n[[A]]", "A"),
        ("[[A]] was tempting. [[B]].", "B"),
        ("**[[C]]**\n", "C"),
        ("[[ B > A = C ]]", "B > A = C"),
    ],
)
def test_the_tag_that_ends_the_reply_counts(reply: str, tag: str) -> None:
    assert parsing.final_tag(reply) == tag


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "A is better",
        "[[A]] or [[B]] would do here",
        'It demands "[[A]]"',
        "[[A]] <!-- end -->",
        "[[A]\n]",
    ],
)
def test_no_final_tag(reply: str) -> None:
    assert parsing.final_tag(reply) is None


def test_only_what_was_offered_is_a_side() -> None:
    assert parsing.side("A", ties=False) == "first"
    assert parsing.side("C", ties=True) == "tie"
    assert parsing.side("C", ties=False) is None
    assert parsing.side("D", ties=True) is None
    assert parsing.side(None, ties=True) is None


def test_shares_of_the_first_token() -> None:
    top = [
        {"token": "A", "logprob": math.log(0.6)},
        {"token": " B", "logprob": math.log(0.2)},
        {"token": "The", "logprob": math.log(0.2)},
    ]
    shares, mass = parsing.shares(top, ("A", "B"))
    assert shares == pytest.approx({"A": 0.75, "B": 0.25})
    assert mass == pytest.approx(0.8)
    assert parsing.shares([{"token": "The", "logprob": -0.1}], ("A", "B")) == ({}, 0)
    assert parsing.shares([{"token": "A", "logprob": "x"}], ("A", "B")) == ({}, 0)
    assert parsing.shares([{"token": "A", "logprob": float("nan")}], ("A", "B")) == ({}, 0)


def test_rankings_are_canonical_whatever_was_shown_first() -> None:
    assert parsing.ranking("first", (0, 1)) == (1, 2)
    assert parsing.ranking("first", (1, 0)) == (2, 1)
    assert parsing.ranking("second", (1, 0)) == (1, 2)
    assert parsing.ranking("tie", (1, 0)) == (1, 1)
    # Two of a list: by ascending canonical position.
    assert parsing.ranking("first", (4, 2)) == (2, 1)


def test_a_list_is_read_by_its_letters() -> None:
    assert parsing.ranks("B > A > C", (2, 0, 1), ties=False) == (1, 3, 2)
    assert parsing.ranks("B > A = C", (0, 1, 2), ties=True) == (2, 1, 2)
    for wrong in ("B > A", "B > A > A", "B > A > D", "B > A = C", "", None, "A, B, C"):
        assert parsing.ranks(wrong, (0, 1, 2), ties=False) is None


@given(st.permutations(range(5)), st.permutations(range(5)))
def test_a_list_means_the_same_in_every_order(shown: list[int], best_first: list[int]) -> None:
    said = " > ".join("ABCDE"[shown.index(position)] for position in best_first)
    ranks = parsing.ranks(said, tuple(shown), ties=False)
    assert ranks == tuple(best_first.index(position) + 1 for position in range(5))


def test_a_stated_confidence_is_no_rationale() -> None:
    reply = "The first is right.\nConfidence: 85\n[[A]]"
    assert parsing.confidence(reply) == pytest.approx(0.85)
    assert parsing.rationale(reply) == "The first is right."
    assert parsing.confidence("Confidence: 850\n[[A]]") is None
    assert parsing.confidence("My confidence is high. [[A]]") is None
    assert parsing.rationale("Sure. [[A]]") == "Sure."


@pytest.mark.parametrize("reply", ["I'm sorry, but I can't help.", "I cannot judge this.", "Sorry"])
def test_refusals_are_told(reply: str) -> None:
    assert parsing.refuses(reply)
    assert not parsing.refuses("The first says sorry. Neither helps.")
