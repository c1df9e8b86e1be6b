"""Bias, influence, rank agreement and the report: by hand, against SciPy, and planted."""

import math
import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.labels.models import Annotation, Annotator
from annotation.quality.agreement import krippendorff, krippendorff_interval, together
from annotation.quality.bias import (
    Choice,
    Share,
    clustered,
    first_listed,
    length_bias,
    side_bias,
    speed,
    wilson,
)
from annotation.quality.figures import clean
from annotation.quality.influence import leave_one_out
from annotation.quality.measuring import Settings, labels_since, measure
from annotation.quality.models import Report
from annotation.quality.rankings import Ranking, concordance, mean_tau, tau_b
from annotation.quality.tasks import compute
from annotation.quality.unusual import unusual
from annotation.queue.purposes import Purpose
from core.exceptions import Conflict, InvalidInput
from jobs.runner import run
from tests.factories import make_annotation, make_annotator, make_instance, make_project, make_user

ranks = st.lists(st.integers(0, 4), min_size=4, max_size=4)


def competition(values: list[int]) -> tuple[int, ...]:
    return tuple(1 + sum(other < mine for other in values) for mine in values)


@settings(max_examples=60, deadline=None)
@given(ranks, ranks)
def test_tau_is_that_of_scipy_where_all_are_ranked(one: list[int], other: list[int]) -> None:
    from scipy.stats import kendalltau

    found = tau_b(Ranking(0, competition(one)), Ranking(1, competition(other)))
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(kendalltau(one, other).statistic)


def test_pairs_not_told_apart_are_left_out_of_tau() -> None:
    partial = Ranking(0, (1, 2, 2), unranked=(1, 2))
    assert tau_b(partial, Ranking(1, (1, 3, 2))) == 1.0
    assert tau_b(Ranking(0, (1, 2, 2)), Ranking(1, (1, 3, 2))) == pytest.approx(2 / math.sqrt(6))


def test_concordance_by_hand_and_its_extremes() -> None:
    # Siegel & Castellan: sums 4, 6, 8 of m = 3 and n = 3 give S = 8 and W = 12·8 / (9·24).
    rows = [Ranking(n, r) for n, r in enumerate([(1, 2, 3), (2, 1, 3), (1, 3, 2)])]
    assert concordance(rows) == pytest.approx(12 * 8 / (9 * 24))
    assert concordance([Ranking(n, (1, 2, 3)) for n in range(4)]) == 1
    assert concordance([Ranking(0, (1, 2, 2)), Ranking(1, (1, 2, 2))]) == 1
    assert math.isnan(concordance([Ranking(0, (1, 1, 1)), Ranking(1, (1, 1, 1))]))
    assert math.isnan(concordance([Ranking(0, (1, 2, 2), (1, 2)), Ranking(1, (1, 2, 3))]))


def test_mean_tau_resamples_prompts_and_survives_none() -> None:
    lists = {
        n: [Ranking(0, (1, 2, 3)), Ranking(1, (1, 2, 3) if n % 2 else (3, 2, 1))] for n in range(30)
    }
    found = mean_tau(lists, {n: f"p{n}" for n in lists})
    assert found.value == pytest.approx(0)
    assert found.low < 0 < found.high
    assert (found.clusters, found.units) == (30, 30)
    assert math.isnan(mean_tau({}, {}).value)


def test_interval_alpha_is_that_of_evalica() -> None:
    units = [[1, 2], [3, 3], [5, 4], [2, 2], [5, 5], [1, 1]]
    found = krippendorff_interval(units, list("abcdef"), measure="interval", resamples=50)
    assert found.value == pytest.approx(krippendorff(units, "interval"))
    whole = krippendorff_interval(
        [[1, 9], [9, 1], [1, 1]], list("abc"), measure="interval", resamples=50
    )
    assert whole.low <= whole.value <= whole.high


def test_two_annotators_together() -> None:
    found = together({"a": {1: 0, 2: 0}, "b": {1: 1, 2: 0, 3: 1}, "c": {1: 0}})
    assert found[1, 2].units == 2
    assert found[1, 2].agree == 0.5
    assert set(found) == {(1, 2), (1, 3), (2, 3)}


def test_wilson_by_hand_and_at_its_ends() -> None:
    share = wilson(8, 10)
    assert share is not None
    assert (share.low, share.high) == pytest.approx((0.4901, 0.9433), abs=1e-3)
    assert share.can_tell is False
    none = wilson(0, 30)
    assert none is not None
    assert (none.value, none.low) == (0, 0)
    assert none.can_tell
    assert wilson(0, 0) is None


def leaves_out(share: Share, value: float) -> bool:
    return not share.low <= value <= share.high


def test_labels_of_one_prompt_are_not_independent() -> None:
    """Ten prompts of six pairs each that all go one way are ten labels, not sixty."""
    apart = clustered([(f"{n}", float(n % 2)) for n in range(60)])
    same = clustered([(f"{n // 6}", float(n // 6 % 2)) for n in range(60)])
    always = clustered([(f"{n // 6}", 1.0) for n in range(60)])
    ten, sixty, all_ten = wilson(5, 10), wilson(30, 60), wilson(10, 10)
    assert apart is not None
    assert same is not None
    assert always is not None
    assert ten is not None
    assert sixty is not None
    assert all_ten is not None
    assert (apart.low, apart.high) == pytest.approx((sixty.low, sixty.high))
    assert (same.low, same.high) == pytest.approx((ten.low, ten.high))
    assert always.low == pytest.approx(all_ten.low)
    assert (same.value, same.labels) == (0.5, 60)


def test_few_of_many_annotators_are_unusual_by_chance() -> None:
    """Two hundred fair annotators and two with a bias: only the two are marked."""
    rng = np.random.default_rng(3)

    def row(share: float) -> dict[str, Any]:
        left = float(rng.binomial(200, share))
        cleaned: dict[str, Any] = clean({"side": wilson(left, 200), "length": None})
        return cleaned

    rows = {who: row(0.5) for who in range(200)} | {900: row(0.75), 901: row(0.25)}
    alone = [
        who for who, each in rows.items() if not each["side"]["low"] <= 0.5 <= each["side"]["high"]
    ]
    assert len(alone) > 6
    assert unusual(rows) == {900: ["side"], 901: ["side"]}
    assert unusual({1: {"side": clean(wilson(3, 3))}, 2: {}}) == {}


def test_side_bias_leaves_ties_and_unknown_orders_out() -> None:
    choices = [Choice(f"p{n}", p_left=1.0) for n in range(30)] + [
        Choice("p", p_left=0.5, tie=True),
        Choice("p"),
    ]
    found = side_bias(choices)
    assert found is not None
    assert (found.value, found.labels, leaves_out(found, 0.5)) == (1.0, 30, True)
    assert side_bias([Choice("p")]) is None


def longer(share: float, expected: float, count: int = 200) -> list[Choice]:
    rng = random.Random(1)
    return [
        Choice(f"p{n}", p_longer=float(rng.random() < share), expected_longer=expected, ratio=1.0)
        for n in range(count)
    ]


def test_length_bias_is_what_goes_beyond_the_others() -> None:
    fair, biased = length_bias(longer(0.8, 0.8)), length_bias(longer(0.9, 0.5))
    assert fair is not None
    assert fair.above is not None
    assert fair.coefficient is not None
    assert not leaves_out(fair.above, 0)
    assert not leaves_out(fair.coefficient, 0)
    assert biased is not None
    assert biased.above is not None
    assert biased.coefficient is not None
    assert biased.above.value == pytest.approx(0.4, abs=0.06)
    # log-odds of 0.9 against 0.5 at a ratio of one.
    assert biased.coefficient.value == pytest.approx(math.log(9), abs=0.5)
    assert leaves_out(biased.coefficient, 0)


def test_length_bias_of_who_always_takes_the_longer_is_finite() -> None:
    found = length_bias([Choice(f"p{n}", 1.0, 1.0, 0.5, 0.7) for n in range(5)])
    assert found is not None
    assert found.coefficient is not None
    assert math.isfinite(found.coefficient.value)
    assert not found.coefficient.can_tell
    assert length_bias([Choice("p", 1.0)]) is None


def test_first_listed_and_speed() -> None:
    found = first_listed([[1, 2, 3], [2, 1, 3], [1, 1, 3], [1, 1, 1], [1, 2]])
    assert found is not None
    assert found.value == pytest.approx(1.5 / 3)
    timed = speed([1.0, 5.0, 9.0], 2.0)
    assert timed.median == 5
    assert timed.hasty is not None
    assert timed.hasty.value == pytest.approx(1 / 3)
    assert speed([], None).median is None


def test_leaving_one_out_counts_flips_and_alpha() -> None:
    pairs: dict[Any, dict[int, float]] = {
        "flips": {1: 1.0, 2: 0.0, 9: 0.0},
        "evens": {1: 1.0, 9: 1.0, 2: 0.0},
        "stays": {1: 1.0, 2: 1.0, 9: 0.0},
        "alone": {9: 1.0},
    }
    found = leave_one_out(pairs)[9]
    assert (found.pairs, found.flipped, found.evened, found.alone) == (3, 0, 2, 1)
    # Without 9, annotators 1 and 2 agree on one of three: better than with a third opinion.
    codes = [[0, 1], [0, 1], [0, 0]]
    before = krippendorff([[0, 1, 1], [0, 0, 1], [0, 0, 1]])
    assert found.alpha == pytest.approx(krippendorff(codes) - before)
    assert math.isnan(leave_one_out({"x": {1: 1.0}})[1].alpha)


def scene(pairs: int = 60) -> tuple[Any, dict[str, Annotator]]:
    """Simulated: two careful people, one who always takes the left one, a judge."""
    project = make_project(least_seconds=3)
    people = {
        name: make_annotator(project, f"{project.slug}-{name}") for name in ("one", "two", "lefty")
    }
    people["judge"] = make_annotator(project, "judge", kind="judge", simulated=True)
    rng = np.random.default_rng(2)
    for number in range(pairs):
        first = bool(rng.random() < 0.5)
        instance = make_instance(project, ("short", "a much longer completion " * (1 + number % 3)))
        for name, who in people.items():
            order = [0, 1] if rng.random() < 0.5 else [1, 0]
            right = (1, 2) if first == (rng.random() < 0.9) else (2, 1)
            if name == "lefty":
                right = (1, 2) if order[0] == 0 else (2, 1)
            verdict = {"verdict": {"p": 0.8 if right == (1, 2) else 0.2}} if name == "judge" else {}
            make_annotation(
                instance,
                who,
                right,
                shown_order=order,
                seconds=1.0 if name == "lefty" else 20.0,
                attributes=verdict,
            )
    return project, people


@pytest.mark.django_db
def test_the_report_finds_who_always_takes_the_left_one() -> None:
    project, people = scene()
    report = measure(project, Settings(model="noisy-bt"))
    rows = {row["id"]: row for row in report.figures["annotators"]}
    lefty, one = rows[people["lefty"].pk], rows[people["one"].pk]
    assert lefty["side"]["value"] == 1.0
    assert lefty["unusual"] == ["side"]
    assert one["unusual"] == []
    assert lefty["speed"]["hasty"]["value"] == 1.0
    assert lefty["skill"]["skill"]["value"] < one["skill"]["skill"]["value"] - 0.3
    assert lefty["skill"]["side"]["value"] > 0.7
    assert one["agree"]["value"] > lefty["agree"]["value"]
    assert one["agree"]["can_tell"] is True
    assert rows[people["judge"].pk]["kind"] == "judge"
    agreement = report.figures["agreement"][0]
    assert agreement["alpha"]["low"] < agreement["alpha"]["value"] < agreement["alpha"]["high"]
    assert len(agreement["over_time"]) == 8
    assert agreement["tau"] is None
    assert labels_since(report) == 0
    make_annotation(make_instance(project))
    assert labels_since(report) == 1


@pytest.mark.django_db
def test_excluding_somebody_raises_agreement_and_keeps_their_row() -> None:
    project, people = scene()
    before = measure(project, Settings())
    Annotator.objects.filter(pk=people["lefty"].pk).update(excluded_at=people["one"].created_at)
    after = measure(project, Settings())
    alphas = [r.figures["agreement"][0]["alpha"]["value"] for r in (before, after)]
    assert alphas[1] > alphas[0] + 0.1
    row = next(r for r in after.figures["annotators"] if r["id"] == people["lefty"].pk)
    assert row["skill"] is None
    assert row["labels"] == 60


@pytest.mark.django_db
def test_repeats_measure_consistency() -> None:
    project = make_project()
    annotator = make_annotator(project)
    for n in range(4):
        instance = make_instance(project)
        make_annotation(instance, annotator, (1, 2))
        again = (1, 2) if n else (2, 1)
        make_annotation(instance, annotator, again, purpose=Purpose.REPEAT)
    row = measure(project, Settings()).figures["annotators"][0]
    assert (row["consistent"]["value"], row["consistent"]["labels"]) == (0.75, 4)
    assert row["labels"] == 4


@pytest.mark.django_db
def test_reports_of_lists_scores_and_nothing() -> None:
    lists = make_project(kind="listwise")
    for _ in range(3):
        instance = make_instance(lists, ("a", "b", "c"))
        make_annotation(instance, ranking=(1, 2, 3))
        make_annotation(instance, ranking=(1, 2, 2), unranked=[1, 2])
    found = measure(lists, Settings()).figures["agreement"][0]
    assert found["tau"]["value"] == 1.0
    assert found["concordance"]["value"] is None
    rated = make_project(kind="rating")
    for _ in range(3):
        instance = make_instance(rated)
        for scores in ([5, 2], [4, None]):
            make_annotation(instance, ranking=(), scores=scores)
    found = measure(rated, Settings()).figures["agreement"][0]
    assert found["measure"] == "ordinal"
    assert found["alpha"]["units"] == 3
    empty = measure(make_project(), Settings()).figures
    assert empty["annotators"] == []
    assert empty["agreement"][0]["alpha"]["value"] is None


@pytest.mark.django_db
def test_a_time_range_leaves_the_rest_out() -> None:
    project = make_project()
    row = make_annotation(make_instance(project))
    day = row.created_at.date()
    assert measure(project, Settings(since=day.isoformat())).figures["annotators"]
    later = (day + timedelta(days=1)).isoformat()
    assert not measure(project, Settings(since=later)).figures["annotators"]
    for wrong in ({"since": "soon"}, {"model": "vibes"}):
        with pytest.raises(InvalidInput):
            Settings(**wrong)


@pytest.mark.django_db
def test_the_job_keeps_a_report_and_runs_once_at_a_time() -> None:
    project = make_project()
    make_annotation(make_instance(project))
    by = make_user()
    job = compute(project=project, settings=Settings(), by=by)
    with pytest.raises(Conflict):
        compute(project=project, settings=Settings(), by=by)
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    assert job.result is not None
    assert (
        Report.objects.get(pk=job.result["report"]).newest_annotation == Annotation.objects.get().pk
    )
