"""Models of annotators: planted parameters, the published implementation's values, odd inputs.

The annotators here are simulated: their answers are drawn from known parameters.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.stats import spearmanr

from annotation.quality import reliability
from annotation.quality.em import DAWID_SKENE, ONE_COIN
from annotation.quality.reliability import MODELS, Ballots, Fit, Prior

# Twelve pairs, four annotators; '1' is "the first". crowd-kit 1.4.2 (n_iter=1000, tol=1e-12) gives
# the posteriors and parameters below.
SMALL = ["100001110000", "101001110100", "000011111010", "101100001100"]
# Sixty pairs, five annotators, the last two spammers; crowd-kit 1.4.2 MACE(method="em") gives the
# competences below.
LARGE = [
    "001011100001101011111001011010010101111011000110101110111110",
    "000010100001111011111011011010010101111111000110001100011100",
    "001011100001100011110000011001010001111110000101101111111110",
    "111111111111111111111111111111111111111111111111111111111111",
    "111010010111110110111110100010111100110011101101100010100110",
]


class Ballot(NamedTuple):
    pair: int
    annotator: int
    p: float
    left: bool | None = None
    tie: bool = False


def fit(ballots: Sequence[Ballot], clusters: Sequence[str] | None = None, **options: Any) -> Fit:
    return reliability.fit(Ballots.of(ballots), clusters, **options)


def ballots_of(columns: list[str]) -> list[Ballot]:
    return [
        Ballot(pair, who, float(answer == "1"), True)
        for who, column in enumerate(columns)
        for pair, answer in enumerate(column)
    ]


def simulated(
    skills: list[tuple[float, float]], pairs: int = 1200, seed: int = 0, spread: float = 2
) -> list[Ballot]:
    """Annotators who follow the completions with γ and else choose the left with P(left)."""
    rng = np.random.default_rng(seed)
    found = []
    for pair, difference in enumerate(rng.normal(0, spread, pairs)):
        for who, (gamma, left_share) in enumerate(skills):
            left = bool(rng.random() < 0.5)
            follows = 1 / (1 + math.exp(-difference))
            p = gamma * follows + (1 - gamma) * (left_share if left else 1 - left_share)
            found.append(Ballot(pair, who, float(rng.random() < p), left))
    return found


def skills_of(found: Fit) -> list[float]:
    return [skill.skill.value for skill in found.skills.values()]


def test_one_coin_is_that_of_the_published_implementation() -> None:
    exact: dict[str, Any] = {
        "prior": Prior(0, 0, 0),
        "even": False,
        "rounds": 1000,
        "tolerance": 1e-12,
    }
    found = fit(ballots_of(SMALL), model="one-coin", **exact)
    assert [round(p) for p in found.posterior] == [1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]
    assert skills_of(found) == pytest.approx([1, 0.8333, 0.6667, 0.4167], abs=1e-4)


def test_dawid_skene_is_that_of_the_published_implementation() -> None:
    exact: dict[str, Any] = {
        "prior": Prior(0, 0, 0),
        "even": False,
        "rounds": 1000,
        "tolerance": 1e-12,
    }
    found = fit(ballots_of(SMALL), model="dawid-skene", **exact)
    confusion = np.array([skill.confusion for skill in found.skills.values()])
    expected = [
        [[1, 0], [0, 1]],
        [[1, 0], [0.25, 0.75]],
        [[0.75, 0.25], [0.375, 0.625]],
        [[0.25, 0.75], [0.5, 0.5]],
    ]
    assert confusion == pytest.approx(np.array(expected), abs=1e-4)


def test_mace_is_close_to_the_published_implementation() -> None:
    found = fit(ballots_of(LARGE), model="mace", prior=Prior(0.005, 0.005, 0.005), rounds=3000)
    assert skills_of(found) == pytest.approx([0.988, 0.722, 0.653, 0.0, 0.005], abs=0.02)


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_planted_skills_is_found_and_the_spammer_is_last(model: str) -> None:
    found = fit(simulated([(0.95, 0.5), (0.7, 0.5), (0.9, 0.5), (0.02, 0.5)]), model=model)
    skills = skills_of(found)
    assert {skill.labels for skill in found.skills.values()} == {1200}
    assert skills[0] > skills[1] > skills[3]
    assert skills[2] > skills[1]
    chance = 0.5 if model in {"one-coin", "dawid-skene"} else 0.0
    assert skills[3] == pytest.approx(chance, abs=0.12)


def test_noisy_bradley_terry_recovers_skill_and_side() -> None:
    planted = [(0.9, 0.5), (0.9, 0.5), (0.6, 0.5), (0.5, 0.9), (0.1, 0.1)]
    found = fit(simulated(planted, pairs=2000), model="noisy-bt")
    for (gamma, left), skill in zip(planted, found.skills.values(), strict=True):
        assert skill.skill.value == pytest.approx(gamma, abs=0.12)
        assert skill.side is not None
        if gamma <= 0.5:
            assert skill.side.value == pytest.approx(2 * left - 1, abs=0.15)


@pytest.mark.parametrize("spread", [0.7, 4.0])
def test_noisy_bradley_terry_orders_annotators_whatever_the_spread_is(spread: float) -> None:
    """γ and the spread of s_i − s_j cannot be told apart: γ moves with it, its order does not."""
    planted = [0.95, 0.85, 0.75, 0.6, 0.45, 0.3, 0.1]
    ballots = simulated([(gamma, 0.5) for gamma in planted], spread=spread)
    found = skills_of(fit(ballots, model="noisy-bt"))
    assert spearmanr(planted, found).statistic >= 0.9
    assert (found[0] < planted[0] - 0.1) == (spread < 2)


def test_stepping_ahead_ends_where_small_steps_do(monkeypatch: pytest.MonkeyPatch) -> None:
    given = simulated([(0.9, 0.0), (0.7, 1.0), (0.5, -1.0), (0.05, 2.0)], pairs=300)
    found = fit(given, model="noisy-bt", tolerance=1e-9)
    monkeypatch.setattr("annotation.quality.em._ahead", lambda _, __, twice: twice)
    slow = fit(given, model="noisy-bt", rounds=5000, tolerance=1e-11)
    assert np.abs(found.posterior - slow.posterior).max() < 1e-6
    assert skills_of(found) == pytest.approx(skills_of(slow), abs=1e-6)


def test_dawid_skene_shows_a_side_bias_and_one_coin_has_no_side() -> None:
    given = simulated([(0.95, 0.5), (0.95, 0.5), (0.3, 0.95)])
    sides = [skill.side for skill in fit(given, model="dawid-skene").skills.values()]
    assert sides[0] is not None
    assert sides[2] is not None
    assert abs(sides[0].value) < 0.1
    assert sides[2].value > 0.4
    assert all(skill.side is None for skill in fit(given, model="one-coin").skills.values())


def test_a_side_needs_the_order_shown() -> None:
    given = [Ballot(pair, who, 1.0) for pair in range(5) for who in range(2)]
    assert all(skill.side is None for skill in fit(given, model="noisy-bt").skills.values())


def test_intervals_hold_the_value_and_shrink_with_labels() -> None:
    planted = [(0.9, 0.5), (0.8, 0.5), (0.7, 0.5)]
    widths = []
    for pairs in (60, 600):
        skill = fit(simulated(planted, pairs=pairs), resamples=40).skills[0].skill
        assert skill.low is not None
        assert skill.high is not None
        assert skill.low <= skill.value <= skill.high
        widths.append(skill.high - skill.low)
    assert widths[1] < widths[0]


def test_intervals_resample_prompts() -> None:
    given = simulated([(0.9, 0.5), (0.8, 0.5), (0.7, 0.5)], pairs=200)
    one_prompt = fit(given, ["same"] * 200, resamples=20).skills[0]
    assert (one_prompt.skill.low, one_prompt.skill.high) == (None, None)


@pytest.mark.parametrize("model", MODELS)
def test_a_judge_is_weighed_by_its_own_probability(model: str) -> None:
    people = [Ballot(pair, who, float(pair % 2)) for pair in range(40) for who in range(2)]
    sure = [Ballot(pair, 9, 0.95 if pair % 2 else 0.05) for pair in range(40)]
    unsure = [Ballot(pair, 9, 0.6 if pair % 2 else 0.4) for pair in range(40)]
    skills = [fit(people + judge, model=model).skills[9].skill.value for judge in (sure, unsure)]
    assert skills[0] > skills[1] + 0.1


def test_ties_are_answers_of_their_own_in_dawid_skene_and_halves_elsewhere() -> None:
    given = [Ballot(pair, who, 0.5, None, tie=True) for pair in range(10) for who in range(3)]
    given += [Ballot(pair, who, 1.0) for pair in range(10, 20) for who in range(3)]
    for model in MODELS:
        found = fit(given, model=model)
        assert found.posterior[0] == pytest.approx(0.5, abs=0.01)
        assert found.posterior[15] > 0.5
    assert len(fit(given, model="dawid-skene").skills[0].confusion) == 3


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "given",
    [
        [Ballot(0, 1, 1.0)],
        [Ballot(pair, 1, 1.0, True) for pair in range(5)],
        [Ballot(pair, who, 1.0, True) for pair in range(5) for who in range(4)],
        [Ballot(pair, pair, 0.0, False) for pair in range(5)],
        [Ballot(0, who, float(who % 2)) for who in range(2)],
        [Ballot(0, 1, 0.5, None, tie=True)],
    ],
    ids=["one label", "one annotator", "all agree", "no overlap", "one against one", "one tie"],
)
def test_degenerate_inputs_give_numbers(model: str, given: list[Ballot]) -> None:
    found = fit(given, model=model, resamples=5)
    assert all(0 <= p <= 1 for p in found.posterior)
    assert all(0 <= skill <= 1 for skill in skills_of(found))
    assert all(skill.few for skill in found.skills.values())


def test_nothing_gives_nothing_and_an_unknown_model_is_refused() -> None:
    assert (len(fit([]).posterior), fit([]).skills) == (0, {})
    with pytest.raises(ValueError, match="noisy-bt"):
        fit([Ballot(0, 1, 1.0)], model="vibes")


def test_a_told_probability_is_evidence_as_it_stands() -> None:
    said = Ballots(
        np.array([0, 1, 2]),
        np.array([7, 7, 7]),
        np.array([0.8, 0.5, 0.999]),
        np.array([-1, -1, -1]),
        np.zeros(3, dtype=np.bool_),
        np.ones(3, dtype=np.bool_),
    )
    for model in (ONE_COIN, DAWID_SKENE, "mace"):
        posterior = reliability.fit(said, model=model).posterior
        assert posterior == pytest.approx([0.8, 0.5, 0.99], abs=1e-6), model
    assert reliability.fit(said, model="noisy-bt").posterior[0] > 0.6


def test_told_probabilities_add_to_votes() -> None:
    votes = Ballots.of(ballots_of(LARGE))
    more = Ballots(
        np.append(votes.pair, 3),
        np.append(votes.annotator, 99),
        np.append(votes.p, 0.9),
        np.append(votes.left, -1),
        np.append(votes.tie, False),
        np.append(np.zeros(len(votes), dtype=np.bool_), True),
    )
    before = reliability.fit(votes, model="one-coin").posterior
    after = reliability.fit(more, model="one-coin").posterior
    odds = after / (1 - after) / (before / (1 - before))
    assert odds[3] == pytest.approx(9, rel=0.1)
    assert odds[4] == pytest.approx(1, abs=0.05)
