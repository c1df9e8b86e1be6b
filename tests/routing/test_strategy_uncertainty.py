"""Judge uncertainty, small margins and verifier first, signal by signal."""

import numpy as np
import pytest

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable
from routing.strategies import registry
from routing.strategies.judge_uncertainty import JudgeUncertainty, entropy
from routing.strategies.problem import Problem, Scores, Strategy
from routing.strategies.selecting import Selecting, select
from routing.strategies.small_margin import SmallMargin
from routing.strategies.verifier_first import VerifierFirst, before

NAN = float("nan")


def problem(judge: list[float] | None = None, **columns: list[float]) -> Problem:
    n = len(judge or next(iter(columns.values())))
    values = np.column_stack(list(columns.values())) if columns else np.zeros((n, 0))
    keys = tuple(f"i{i}" for i in range(n))
    given = None if judge is None else np.array(judge)
    return Problem(keys, FeatureTable(tuple(columns), values), np.ones(n), judge=given)


def gains(strategy: Strategy, made: Problem) -> list[float]:
    return [round(float(gain), 6) for gain in strategy.score(made).gain]


def test_every_signal_is_a_doubt_between_0_and_1() -> None:
    made = problem(
        judge_flip=[0, 1], judge_gap=[0.1, 0.8], panel_spread=[0.0, 0.5], judge_confidence=[1, 0.5]
    )

    assert gains(JudgeUncertainty(("judge_gap",)), made) == [0.1, 0.8]
    assert gains(JudgeUncertainty(("panel_spread",)), made) == [0, 1]
    assert gains(JudgeUncertainty(("judge_entropy",)), made) == [0, 0.811278]
    assert gains(JudgeUncertainty(("judge_flip", "judge_gap"), "mean"), made) == [0.05, 0.9]
    assert list(JudgeUncertainty(("panel_spread",)).score(made).reason) == [
        "judge seems sure",
        "judges' answers lie apart",
    ]


def test_both_of_two_doubts_are_said_the_larger_first() -> None:
    made = problem(judge_flip=[1, 1], judge_confidence=[0.4, 0.9], panel_disagreement=[0, 1])

    assert list(JudgeUncertainty().score(made).reason) == [
        "judge flips when the order is swapped; judge unsure",
        "judge flips when the order is swapped; other judges disagree",
    ]


def test_entropy_is_a_bit_at_a_half() -> None:
    assert entropy(np.array([0, 0.5, 1])).tolist() == [0, 1, 0]


def test_a_judge_that_was_not_asked_is_said_so() -> None:
    scores = JudgeUncertainty().score(problem(judge_confidence=[NAN, 0.2]))

    assert list(scores.reason) == ["no judge signal is known", "judge unsure"]


def test_unknown_signals_and_combinations_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no signal 'x'"):
        JudgeUncertainty(("x",))
    with pytest.raises(InvalidInput, match="max or mean"):
        JudgeUncertainty(combine="sum")


def test_a_small_margin_of_the_judge_gains_most() -> None:
    scores = SmallMargin().score(problem(judge=[0.5, 0.9, NAN, 0.3]))

    assert scores.gain == pytest.approx([1, 0.2, 0, 0.6])
    assert list(scores.reason) == [
        "judge sees hardly a difference",
        "judge sees a clear difference",
        "the judge's margin is unknown",
        "judge sees hardly a difference",
    ]


def test_the_judges_margin_may_come_from_its_confidence() -> None:
    assert gains(SmallMargin(), problem(judge_confidence=[0.2, NAN])) == [0.8, 0]
    both = problem(judge=[NAN, 1.0], judge_confidence=[0.2, 0.5])
    assert gains(SmallMargin(), both) == [0.8, 0]
    with pytest.raises(InvalidInput, match="ask the judge"):
        SmallMargin().score(problem(x=[1.0]))


def test_a_small_margin_of_the_reward_model_gains_most() -> None:
    made = problem(reward_margin=[0.0, 2.0, -2.0])

    found = SmallMargin("reward").score(made).gain

    # 1 − |2σ(2) − 1|, whichever side the margin is on.
    assert found == pytest.approx([1, 2 - 2 / (1 + np.exp(-2)), 2 - 2 / (1 + np.exp(-2))])
    assert not SmallMargin("reward").reads_judge
    with pytest.raises(InvalidInput, match="reward model"):
        SmallMargin("reward").score(problem(x=[1.0]))
    with pytest.raises(InvalidInput, match="judge or reward"):
        SmallMargin("x")


def test_people_come_where_no_program_decides() -> None:
    made = problem(
        judge=[0.6, 0.6, 0.6, 0.6],
        verifier_exists=[1, 1, 1, 0],
        verifier_known=[1, 0, NAN, NAN],
    )

    scores = registry.fit("verifier-first", None, {}).score(made)

    assert scores.gain == pytest.approx([-np.inf, 0.8, -np.inf, 0.8])
    assert scores.propensity.tolist() == [0, 1, 0, 1]
    assert scores.rest is not None
    assert scores.rest.tolist() == ["verifier", "judge", "verifier", "judge"]
    assert list(scores.reason) == [
        "a program decides this one",
        "the program cannot tell the completions apart; judge sees hardly a difference",
        "a program can check this one: it is asked first",
        "judge sees hardly a difference",
    ]


def test_verifier_first_takes_any_strategy_inside() -> None:
    made = problem(verifier_known=[1, NAN], judge_flip=[1, 1])
    options = {"inner": "judge-uncertainty", "options": {"signals": ["judge_flip"]}}

    found = registry.fit("verifier-first", None, options)

    assert isinstance(found, VerifierFirst)
    assert found.reads_judge
    assert gains(found, made) == [-np.inf, 1]
    assert not registry.fit("verifier-first", None, {"inner": "random"}).reads_judge
    with pytest.raises(InvalidInput, match="verifier_exists"):
        found.score(problem(judge_flip=[1]))


def test_an_inner_strategy_that_selects_by_itself_still_does() -> None:
    """One that buys only the first, whatever money there is."""
    made = problem(verifier_known=[1, NAN, NAN])

    class First:
        reads_judge = False

        def score(self, problem: Problem) -> Scores:
            n = len(problem)
            return Scores(np.ones(n), problem.cost, np.ones(n), [""] * n)

        def select(
            self, problem: Problem, scores: Scores, budget: float, *, salt: str
        ) -> np.ndarray:
            first = np.flatnonzero(scores.gain > -np.inf)[0]
            return np.asarray(np.arange(len(problem)) == first)

        def to_json(self) -> dict[str, str]:
            return {"strategy": "first"}

    strategy = before(First())
    chosen = select(strategy, made, strategy.score(made), 9, salt="s")
    assert chosen.tolist() == [False, True, False]
    assert not isinstance(before(SmallMargin()), Selecting)
