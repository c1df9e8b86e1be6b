"""Both orders become one probability; one order of two is no verdict."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.judges.protocol import Answer, combine, merge, p_of_winner

PAIRS = Path(__file__).parents[3] / "shared" / "data" / "norm" / "crowdrag25_pairs.jsonl"
probability = st.floats(0, 1)


def test_combine_is_the_logit_mean_of_both_orders() -> None:
    # logit 0.9 = 2.197, logit(1 - 0.4) = 0.405; mean 1.301 -> 0.786
    p, gap, flipped = combine(0.9, 0.4)
    logit = (math.log(9) + math.log(1.5)) / 2
    assert p == pytest.approx(1 / (1 + math.exp(-logit)))
    assert p == pytest.approx(0.7861, abs=1e-4)
    assert gap == pytest.approx(0.3)
    assert not flipped


def test_a_judge_that_always_takes_the_first_is_flipped_and_even() -> None:
    p, gap, flipped = combine(0.8, 0.8)
    assert p == pytest.approx(0.5)
    assert gap == pytest.approx(0.6)
    assert flipped


def test_certainty_is_clipped() -> None:
    p, gap, _ = combine(1.0, 0.0)
    assert p == pytest.approx(0.99)
    assert gap == pytest.approx(0)


@given(probability, probability)
def test_exchanging_the_completions_exchanges_the_verdict(p_ab: float, p_ba: float) -> None:
    forward, backward = combine(p_ab, p_ba), combine(p_ba, p_ab)
    assert forward[0] == pytest.approx(1 - backward[0])
    assert forward[1] == pytest.approx(backward[1])


def test_hard_verdicts_stand_for_the_accuracy() -> None:
    assert p_of_winner(0, 0.8) == pytest.approx(0.8)
    assert p_of_winner(1, 0.8) == pytest.approx(0.2)
    assert p_of_winner(0, None) == pytest.approx(0.75)
    assert p_of_winner(-1, 0.8) == 0.5
    # A judge measured below a coin is not turned round.
    assert p_of_winner(0, 0.3) == 0.5


def test_two_orders_that_agree() -> None:
    verdict = merge([Answer((0, 1), (2, 1)), Answer((1, 0), (2, 1))])
    assert verdict is not None
    assert verdict.ranking == (2, 1)
    assert verdict.p == pytest.approx(0.25)
    assert verdict.gap == pytest.approx(0)
    assert verdict.flipped is False


def test_two_orders_that_disagree_are_a_tie_marked_flipped() -> None:
    verdict = merge([Answer((0, 1), (1, 2)), Answer((1, 0), (2, 1))])
    assert verdict is not None
    assert verdict.ranking == (1, 1)
    assert verdict.flipped is True


def test_probabilities_of_the_one_shown_first_are_turned_to_canonical() -> None:
    answers = [Answer((0, 1), (1, 2), 0.9), Answer((1, 0), (1, 2), 0.1)]
    verdict = merge(answers)
    assert verdict is not None
    assert verdict.p == pytest.approx(0.9)
    assert verdict.flipped is False


def test_one_of_two_orders_is_incomplete() -> None:
    assert merge([Answer((1, 0), (1, 2))]) is None
    assert merge([]) is None


def test_an_answer_without_an_order_is_a_verdict_without_a_flip() -> None:
    verdict = merge([Answer(None, (1, 2))], accuracy=0.9)
    assert verdict is not None
    assert verdict.p == pytest.approx(0.9)
    assert verdict.flipped is None
    assert verdict.gap is None


def test_longer_rankings_are_merged_by_mean_rank() -> None:
    verdict = merge([Answer(None, (1, 2, 3)), Answer(None, (3, 2, 1)), Answer(None, (1, 3, 2))])
    assert verdict is not None
    # mean ranks 5/3, 7/3, 2
    assert verdict.ranking == (1, 3, 2)
    assert verdict.p is None


@pytest.mark.shared
@pytest.mark.skipif(not PAIRS.is_file(), reason="needs the real data in ../shared")
@pytest.mark.parametrize(
    ("judge", "share"), [("gpt-4o/combined", 0.157), ("gpt-4o/individual", 0.075)]
)
def test_share_of_real_verdicts_that_flip(judge: str, share: float) -> None:
    flips = []
    with PAIRS.open(encoding="utf-8") as file:
        for line in map(json.loads, file):
            answers = [
                Answer(tuple(said["order"]), tuple(said["ranking"]))
                for said in line["ai"]
                if said["judge"] == judge
            ]
            if verdict := merge(answers):
                flips.append(verdict.flipped)
    assert len(flips) == 255
    assert round(sum(map(bool, flips)) / len(flips), 3) == share
