"""Guaranteed escalation: its promise holds as often as it says, and is never without ground."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable
from routing.strategies import audit, cascade, escalation
from routing.strategies.cascade import Cascade
from routing.strategies.certificate import Certificate, certify, needed, one_a_prompt, upper_bound
from routing.strategies.escalation import Escalation
from routing.strategies.problem import Problem, Seed
from routing.strategies.selecting import select
from routing.strategies.small_margin import judge_margin


def calibrated(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and whether a judge that errs more the less sure it is disagrees."""
    confidence = rng.random(n)
    return confidence, rng.random(n) < risk(confidence)


def risk(confidence: np.ndarray) -> np.ndarray:
    return 0.5 * (1 - confidence)


def seed(n: int = 300, *, each: int = 1, rng_seed: int = 0, strong: bool = False) -> Seed:
    """`each` instances a prompt; the strong judge is surer and errs less."""
    rng = np.random.default_rng(rng_seed)
    confidence, wrong = calibrated(n, rng)
    human = (rng.random(n) < 0.5).astype(float)
    p = 0.5 + np.where(wrong, -1, 1) * (human - 0.5) * confidence
    names, values = ["noise"], [rng.random(n)]
    if strong:
        sure = rng.random(n) ** 0.3
        errs = rng.random(n) < risk(sure)
        names.append("strong_p")
        values.append(0.5 + np.where(errs, -1, 1) * (human - 0.5) * sure)
    table = FeatureTable(tuple(names), np.column_stack(values))
    problem = Problem(tuple(f"i{i}" for i in range(n)), table, np.ones(n), judge=p)
    return Seed(problem, tuple(f"p{i // each}" for i in range(n)), human, p)


def test_the_bound_is_clopper_and_pearsons() -> None:
    for wrong, count, delta in ((0, 30, 0.1), (3, 40, 0.05), (12, 100, 0.2)):
        bound = upper_bound(wrong, count, delta)
        # The bound is the risk at which so few disagreements have probability δ.
        assert binom.cdf(wrong, count, bound) == pytest.approx(delta)
    assert upper_bound(5, 5, 0.1) == 1


def test_at_least_so_many_are_needed() -> None:
    assert needed(0.15, 0.1) == 30
    assert needed(0.05, 0.1) == 45  # 0.95^45 < 0.1 < 0.95^44
    assert upper_bound(0, 45, 0.1) <= 0.05 < upper_bound(0, 44, 0.1)


def test_it_says_what_it_promises() -> None:
    confidence, wrong = calibrated(2000, np.random.default_rng(1))

    found = certify(confidence, wrong, alpha=0.15, delta=0.1)

    assert found.holds
    assert found.bound <= 0.15
    share = int(100 * found.coverage)
    expected = f"at least 85 % agreement at 90 % confidence on {share} % of instances"
    assert found.promised() == found.sentence == expected
    # Risk above λ is (1 − λ)/4: 15 % of it is reached at λ = 0.4, and a bound stays above that.
    assert found.threshold is not None
    assert 0.4 <= found.threshold <= 0.6


def test_the_promise_holds_as_often_as_it_says() -> None:
    """The true risk of what is accepted is above α in no more than δ of the repetitions."""
    rng = np.random.default_rng(7)
    alpha, delta, runs, broken, made = 0.15, 0.2, 1500, 0, 0
    for _ in range(runs):
        confidence, wrong = calibrated(200, rng)
        found = certify(confidence, wrong, alpha=alpha, delta=delta)
        if found.threshold is not None:
            made += 1
            broken += (1 - found.threshold) / 4 > alpha
    assert made > 0.8 * runs
    # Three standard errors of 1500 runs above δ.
    assert broken / runs <= delta + 3 * np.sqrt(delta * (1 - delta) / runs)
    # And it is not empty caution: the bound is used.
    assert broken / runs > delta / 20


def test_a_judge_at_the_allowed_risk_is_promised_no_more_often_than_delta() -> None:
    """The hardest case: the risk is a little above α at every confidence."""
    rng = np.random.default_rng(8)
    runs, delta = 2000, 0.1
    promised = sum(
        certify(rng.random(300), rng.random(300) < 0.1501, alpha=0.15, delta=delta).holds
        for _ in range(runs)
    )
    assert promised / runs <= delta + 3 * np.sqrt(delta * (1 - delta) / runs)


def test_without_ground_everything_escalates_and_reporting_refuses() -> None:
    few = certify(np.ones(12), np.zeros(12, dtype=bool))
    bad = certify(np.linspace(0, 1, 200), np.arange(200) % 2 == 0)

    assert not few.holds
    with pytest.raises(InvalidInput, match=r"30 calibration prompts .* there are 12"):
        few.promised()
    assert not bad.holds
    with pytest.raises(InvalidInput, match=r"disagreed with people on \d+ of 30 calibration"):
        bad.promised()
    made = seed(40)
    scores = Escalation(bad).score(made.problem)
    assert (scores.propensity == 1).all()
    assert (scores.gain > 0).all()
    assert set(scores.reason) == {"no confidence of the judge can be trusted alone"}


def test_the_first_threshold_is_chosen_from_confidences_alone() -> None:
    confidence = np.r_[np.full(29, 0.99), np.full(31, 0.5)]

    # 29 are too few at 0.99, so nothing is tested before 0.5, where all 60 are accepted.
    found = certify(confidence, np.zeros(60, dtype=bool))

    assert found.accepted == 60
    assert found.coverage == 1


def test_the_descent_ends_at_the_first_failure() -> None:
    # Good at the top, bad in the middle, good again below: what comes below is never reached.
    confidence = np.r_[np.full(100, 0.9), np.full(60, 0.6), np.full(2000, 0.3)]
    wrong = np.r_[np.zeros(100), np.ones(60), np.zeros(2000)].astype(bool)

    found = certify(confidence, wrong)

    assert found.accepted == 100
    assert found.threshold == 0.61


def test_a_judge_without_preference_is_never_accepted() -> None:
    found = certify(np.zeros(100), np.zeros(100, dtype=bool))

    assert not found.holds
    assert not found.accepts(np.array([0.0, np.nan])).any()


def test_people_are_asked_only_below_the_threshold() -> None:
    router = escalation.fit(seed(2000))
    problem = seed(100, rng_seed=5).problem

    scores = router.score(problem)

    confidence = judge_margin(problem)
    below = ~router.certificate.accepts(confidence)
    assert 0 < below.sum() < 100
    assert (scores.propensity == below).all()
    # Whatever money is there, the rest is not spent.
    assert (select(router, problem, scores, 1e9, salt="s") == below).all()
    # Too little money: the least sure go first.
    short = select(router, problem, scores, 5, salt="s")
    assert confidence[short].max() <= np.sort(confidence)[4]


def test_an_instance_the_judge_has_not_seen_goes_to_people() -> None:
    router = escalation.fit(seed(2000))
    made = seed(2).problem
    scores = router.score(replace(made, judge=np.array([np.nan, 1.0])))

    assert scores.gain.tolist() == [1.0, -np.inf]
    assert list(scores.reason) == ["judge was not asked", "judge sure enough to decide alone"]


def test_the_report_half_of_the_audit_arm_is_never_touched() -> None:
    made = seed(800)
    report = audit.reporting(made.prompts, "salt")
    flipped = replace(made, human=np.where(report, 1 - made.human, made.human))

    assert escalation.fit(made, salt="salt") == escalation.fit(flipped, salt="salt")
    assert escalation.fit(made, salt="salt").certificate.prompts == int((~report).sum())


def test_a_prompt_counts_once() -> None:
    made = seed(600, each=6)

    assert escalation.fit(made).certificate.prompts == 100
    rows = one_a_prompt(("a", "b", "c", "d"), ("x", "y", "x", "y"), "s")
    assert len(rows) == 2
    assert {("x", "y", "x", "y")[row] for row in rows} == {"x", "y"}


def test_where_people_tie_there_is_nothing_to_agree_with() -> None:
    made = seed(100)
    human = np.where(np.arange(100) < 30, 0.5, made.human)

    assert escalation.fit(replace(made, human=human)).certificate.prompts == 70


def test_a_judge_that_always_agrees_decides_alone_and_one_that_never_does_nothing() -> None:
    made = seed(200)
    agreeing = escalation.fit(replace(made, human=(made.judge > 0.5).astype(float)))
    opposing = escalation.fit(replace(made, human=(made.judge < 0.5).astype(float)))

    assert agreeing.certificate.coverage == pytest.approx(1, abs=0.02)
    assert not opposing.certificate.holds
    assert (opposing.score(made.problem).propensity == 1).all()


def test_one_sided_labels_are_certified_as_any_others() -> None:
    made = seed(200)
    p = np.where(made.judge > 0.5, made.judge, 1 - made.judge)
    sided = replace(made, human=np.ones(200), judge=p, problem=replace(made.problem, judge=p))

    assert escalation.fit(sided).certificate.holds


@pytest.mark.parametrize(("alpha", "delta"), [(0, 0.1), (0.1, 1)])
def test_it_refuses_a_promise_that_means_nothing(alpha: float, delta: float) -> None:
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        certify(np.ones(50), np.zeros(50, dtype=bool), alpha=alpha, delta=delta)


# --- Cascade ------------------------------------------------------------------------------------


def test_each_tier_gets_half_of_the_chance_to_be_wrong() -> None:
    router = cascade.fit(seed(4000, strong=True))

    assert (router.cheap.delta, router.strong.delta) == (0.05, 0.05)
    assert router.cheap.holds
    assert router.strong.holds
    assert router.sentence.startswith("at least 85 % agreement at 90 % confidence: the cheap judge")


def test_the_strong_judge_is_asked_before_people() -> None:
    router = Cascade(
        Certificate(0.15, 0.05, 100, 0.8, 40, 1, 0.1, 30),
        Certificate(0.15, 0.05, 100, 0.6, 40, 1, 0.1, 30),
    )
    table = FeatureTable(("strong_p",), np.array([[np.nan], [np.nan], [0.9], [0.6]]))
    problem = Problem(tuple("abcd"), table, np.ones(4), judge=np.array([0.95, 0.6, 0.6, 0.6]))

    scores = router.score(problem)

    assert scores.rest is not None
    assert scores.rest.tolist() == ["judge", "strong", "strong", "strong"]
    assert scores.propensity.tolist() == [0, 0, 0, 1]
    assert scores.gain[3] == pytest.approx(0.8)
    assert scores.reason[1] == "judge not sure enough: the strong judge is asked first"
    assert scores.reason[3] == "neither judge is sure enough to decide alone"


def test_a_strong_judge_that_may_decide_nothing_is_not_asked() -> None:
    refused = Certificate(0.15, 0.05, 20, None, 0, 0, 1.0, 30)
    router = Cascade(Certificate(0.15, 0.05, 100, 0.8, 40, 1, 0.1, 30), refused)
    table = FeatureTable(("strong_p",), np.array([[np.nan]]))

    scores = router.score(Problem(("a",), table, np.ones(1), judge=np.array([0.6])))

    assert scores.propensity.tolist() == [1]
    assert scores.rest is not None
    assert scores.rest.tolist() == ["judge"]


def test_the_chain_keeps_its_promise() -> None:
    """Over repetitions the true risk of what both judges decide is above α in at most δ of them."""
    runs, alpha, delta, broken, made = 200, 0.15, 0.2, 0, 0
    truth = seed(40_000, rng_seed=999, strong=True)
    for run in range(runs):
        router = cascade.fit(seed(400, rng_seed=run, strong=True), alpha=alpha, delta=delta)
        cheap, strong = decided(router, truth)
        made += router.cheap.holds or router.strong.holds
        accepted = cheap | strong
        p = np.where(cheap, truth.judge, asked_strong(truth))
        wrong = np.sign(p - 0.5) != np.sign(truth.human - 0.5)
        broken += bool(accepted.any() and wrong[accepted].mean() > alpha)
    assert made > 0.9 * runs
    assert broken / runs <= delta + 3 * np.sqrt(delta * (1 - delta) / runs)


def decided(router: Cascade, truth: Seed) -> tuple[np.ndarray, np.ndarray]:
    cheap = router.cheap.accepts(np.abs(2 * truth.judge - 1))
    return cheap, ~cheap & router.strong.accepts(np.abs(2 * asked_strong(truth) - 1))


def asked_strong(truth: Seed) -> np.ndarray:
    p = truth.problem.features.column("strong_p")
    assert p is not None
    return p


def test_a_cascade_needs_both_judges() -> None:
    with pytest.raises(InvalidInput, match="ask the strong one"):
        cascade.fit(seed(100))
