"""A judge against people, two versions against each other, and reading proposals: pure."""

import math

import numpy as np
import pytest

from annotation.judges.workbench.comparing import (
    TIE,
    Opinion,
    Said,
    at_least,
    difference,
    figures,
    holm,
    mcnemar,
)
from annotation.judges.workbench.gains import conditional_gains, overlaps
from annotation.judges.workbench.people import stratified
from annotation.judges.workbench.proposing import Example, parse_criteria, proposal_messages


def people(*answers: int) -> dict[tuple[int, int, int], Opinion]:
    shares = {0: 1.0, 1: 0.0, TIE: 0.5}
    return {
        (place, 0, 1): Opinion(f"prompt {place}", answer, shares[answer], 2, answer == TIE)
        for place, answer in enumerate(answers)
    }


def judge(*answers: int, flipped: bool = False) -> dict[tuple[int, int, int], Said]:
    return {(place, 0, 1): Said(answer, flipped) for place, answer in enumerate(answers)}


def test_figures_count_a_lone_tie_as_half() -> None:
    found = figures(people(0, 1, 0, TIE), judge(0, 0, TIE, TIE))
    assert found.agreement is not None
    assert found.agreement.value == (1 + 0 + 0.5 + 1) / 4
    assert found.decided is not None
    assert (found.decided.value, found.decided.labels) == (0.5, 2)
    assert found.confusion == [[1, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert found.flips is not None
    assert found.flips.value == 0


def test_units_that_one_side_alone_has_do_not_count() -> None:
    assert figures(people(0, 1), judge(0)).units == 1
    assert figures(people(), judge(0)).agreement is None


def test_difference_is_paired() -> None:
    found = difference(people(*[0] * 20), judge(*[0] * 10, *[1] * 10), judge(*[0] * 20))
    assert found is not None
    assert (found.value, found.only_first, found.only_second) == (0.5, 0, 10)
    assert found.low > 0
    assert found.p == 2 / 2**10
    same = difference(people(0, 1), judge(0, 1), judge(0, 1))
    assert same is not None
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert difference(people(0), {}, judge(0)) is None


def test_exact_probabilities() -> None:
    assert at_least(9, 10) == 11 / 1024
    assert mcnemar(1, 9) == mcnemar(9, 1) == 22 / 1024
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1
    assert holm([0.01, 0.04, 0.03]) == [0.03, 0.06, 0.06]


def test_a_draw_has_a_share_of_what_people_are_split_on() -> None:
    pool = list(range(100))
    chosen = stratified(pool, set(range(50, 100)), 10)
    assert len(chosen) == 10
    assert sum(pk >= 50 for pk in chosen) == 3
    assert stratified(pool, set(), 10) == pool[:10]
    assert stratified(pool, set(pool), 10) == pool[:10]
    assert stratified([1, 2], {2}, 10) == [1, 2]


@pytest.mark.parametrize(
    "reply",
    [
        '{"criteria": ["Which is clearer to read?", "Which names its sources?"]}',
        'Here:\n```json\n["Which is clearer to read?", "Which names its sources?"]\n```\nDone.',
        'Sure. {"criteria": [{"text": "Which is clearer to read?"}, '
        '{"name": "Which names its sources?"}]} Bye.',
        "1. Which is clearer to read?\n2. **Which names its sources?**\n- which is clearer to read",
    ],
)
def test_proposals_are_read_however_they_come(reply: str) -> None:
    assert parse_criteria(reply) == ["Which is clearer to read?", "Which names its sources?"]


@pytest.mark.parametrize(
    "reply",
    ["", "I cannot help with that.", '{"criteria": [broken', "[]", "[[A]]", '{"a": 1}', "7"],
)
def test_garbage_holds_no_criterion(reply: str) -> None:
    assert parse_criteria(reply) == []


def test_a_proposal_shows_choice_and_reasons() -> None:
    example = Example(
        [{"role": "user", "content": "Why?"}], ("Because.", "No idea."), 0, ["Clear."]
    )
    text = proposal_messages([example], 5)[1]["content"]
    assert "<chosen>A</chosen>" in text
    assert "<reason>Clear.</reason>" in text
    assert "up to 5 criteria" in text


def test_gain_is_with_the_candidate_that_predicts() -> None:
    rng = np.random.default_rng(1)
    chosen = rng.choice([-1.0, 1.0], 400)
    good = np.where(rng.random(400) < 0.85, chosen, -chosen)
    idle = rng.choice([-1.0, 0.0, 1.0], 400)
    verdicts = np.stack([good, good, idle], axis=1)
    found = conditional_gains(verdicts[:200], chosen[:200], verdicts[200:], chosen[200:])
    assert found.loss < found.chance
    # Two candidates that say the same: neither adds to the other.
    assert all(abs(gain) < 0.03 for gain in found.without)
    alone = conditional_gains(verdicts[:200, 1:], chosen[:200], verdicts[200:, 1:], chosen[200:])
    assert alone.without[0] > 0.1 > abs(alone.without[1])
    same = overlaps(verdicts)
    assert math.isclose(same[0][1] or 0, 1)
    assert overlaps(np.zeros((3, 1))) == [[None]]
