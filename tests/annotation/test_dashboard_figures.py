"""Figures of the dashboard against labels that were counted by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.utils import timezone

from accounts.models import Project
from annotation.dashboards import agreement, selectors
from annotation.dashboards.periods import Period, bucket_of, period_of
from annotation.dashboards.standing import labels_in
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of, main_criterion, protocol_of
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_project,
    make_slot,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 12, 10, 30, tzinfo=UTC)
# A period ends before its end.
_MINUTE = timedelta(minutes=1)


def label(project: Project, who: Annotator, *, ago: timedelta = timedelta(), **fields: Any) -> Any:
    """A label given `ago` before NOW: rows are append-only, so the clock is set and not the row."""
    instance = fields.pop("instance", None) or make_instance(project)
    with patch("django.utils.timezone.now", return_value=NOW - ago):
        return make_annotation(instance, who, **fields)


@pytest.fixture
def project() -> Project:
    return make_project()


def test_buckets_cover_the_period_with_the_empty_ones(project: Project) -> None:
    person, judge = make_annotator(project), make_annotator(project, kind="judge")
    for days, who in ((0, person), (0, judge), (0, judge), (2, person), (8, person)):
        label(project, who, ago=timedelta(days=days))
    period = period_of("week", NOW + _MINUTE)
    found = selectors.throughput(project, labels_in(project, period), period)
    assert [bucket.start.day for bucket in found] == [5, 6, 7, 8, 9, 10, 11, 12]
    assert [(b.people, b.judges, b.other) for b in found][-3:] == [(1, 0, 0), (0, 0, 0), (1, 2, 0)]
    assert sum(bucket.total for bucket in found) == 4


def test_periods_and_buckets() -> None:
    assert period_of("nonsense", NOW).key == "month"
    assert len(period_of("day", NOW).buckets()) == 25
    assert bucket_of(NOW, "week") == datetime(2026, 3, 9, tzinfo=UTC)
    assert bucket_of(NOW, "hour") == datetime(2026, 3, 12, 10, tzinfo=UTC)


def test_what_does_not_stand_is_not_counted(project: Project) -> None:
    person, gone = make_annotator(project), make_annotator(project, excluded_at=timezone.now())
    first = label(project, person)
    label(project, person, instance=first.instance, supersedes=first, ranking=[2, 1])
    label(project, gone)
    label(project, person, purpose="gold")
    period = period_of("day", NOW + timedelta(minutes=1))
    labels = labels_in(project, period)
    assert labels.count() == 1
    (overall,) = selectors.distributions(labels, criteria_of(project))
    assert [(each.word, each.count) for each in overall.answers] == [("second", 1)]


def test_answers_are_counted_by_kind_and_scores_by_completion(project: Project) -> None:
    main = main_criterion(project)
    rated = Criterion.objects.create(project=project, key="h", name="H", position=1, kind="rating")
    person = make_annotator(project)
    for ranking, tie in (([1, 2], ""), ([1, 2], ""), ([2, 1], ""), ([1, 1], "tie")):
        label(project, person, ranking=ranking, tie_kind=tie)
    label(project, person, ranking=[], tie_kind="cannot judge")
    label(project, person, ranking=[1, 3, 2])
    for scores in ([5, 4], [4, None]):
        label(project, person, ranking=[], scores=scores, criterion=rated)
    labels = labels_in(project, period_of("day", NOW + timedelta(minutes=1)))
    first, second = selectors.distributions(labels, [main, rated])
    assert [(each.word, each.count) for each in first.answers] == [
        ("first", 2),
        ("second", 1),
        ("ranked", 1),
        ("tie", 1),
        ("cannot judge", 1),
    ]
    assert [(each.word, each.count) for each in second.answers] == [("4", 2), ("5", 1)]
    assert second.answers[0].share == pytest.approx(2 / 3)


def test_times_are_of_people_and_measured(project: Project) -> None:
    person, judge = make_annotator(project), make_annotator(project, kind="judge")
    for seconds in (1.0, 4.0, 5.0, 700.0, None):
        label(project, person, seconds=seconds)
    label(project, judge, seconds=3.0)
    found = selectors.times(labels_in(project, period_of("day", NOW + _MINUTE)), 5)
    assert found.total == 4
    assert found.median == 4.5
    assert found.hasty == 2
    assert {(each.low, each.high): each.count for each in found.bins if each.count} == {
        (0, 2): 1,
        (2, 5): 1,
        (5, 10): 1,
        (600, None): 1,
    }


def test_the_funnel_counts_instances_once(project: Project) -> None:
    for state in ("new", "routed", "settled", "dropped", "flagged", "gold"):
        make_instance(project, state=state)
    instance = make_instance(project, state="routed")
    for ordinal in range(2):
        make_slot(instance, make_annotator(project), ordinal=ordinal, state="submitted")
    make_slot(instance, make_annotator(project), ordinal=2)
    counts = {stage.name: stage.count for stage in selectors.funnel(project)}
    assert counts == {
        "new": 1,
        "routed": 2,
        "leased": 1,
        "submitted": 1,
        "settled": 1,
        "dropped": 1,
        "flagged": 1,
    }


def test_active_people_with_their_pace(project: Project) -> None:
    busy, quiet, past = (make_annotator(project) for _ in range(3))
    for seconds in (10.0, 20.0, 60.0):
        label(project, busy, seconds=seconds)
    label(project, quiet, ago=timedelta(days=6))
    label(project, past, ago=timedelta(days=8))
    found = selectors.active_people(project, NOW)
    assert [(p.pseudonym, p.labels, p.median_seconds) for p in found] == [
        (busy.pseudonym, 3, 20.0),
        (quiet.pseudonym, 1, None),
    ]


def quarter() -> Period:
    return Period("quarter", NOW - timedelta(days=91), NOW + _MINUTE, "week")


def weeks(project: Project) -> list[agreement.Week]:
    return agreement.weekly_agreement(
        project, quarter(), main_criterion(project), protocol_of(project)
    )


def test_agreement_by_week_of_the_last_shared_label(project: Project) -> None:
    one, two = make_annotator(project), make_annotator(project)
    for ago, second in ((timedelta(), [1, 2]), (timedelta(days=7), [2, 1])):
        for ranking in ([1, 2], [2, 1], [1, 2]):
            instance = make_instance(project)
            label(project, one, ago=ago, instance=instance, ranking=ranking)
            other = ranking if second == [1, 2] else ranking[::-1]
            label(project, two, ago=ago, instance=instance, ranking=other)
    before, last = weeks(project)
    assert (before.start.date().isoformat(), last.start.date().isoformat()) == (
        "2026-03-02",
        "2026-03-09",
    )
    assert last.estimate.value == pytest.approx(1.0)
    assert before.estimate.value < 0
    assert last.estimate.clusters == 3
    assert last.estimate.few_prompts


def test_one_person_alone_agrees_with_nobody(project: Project) -> None:
    label(project, make_annotator(project))
    judged = make_instance(project)
    label(project, make_annotator(project), instance=judged)
    label(project, make_annotator(project, kind="judge"), instance=judged)
    assert weeks(project) == []


def test_retracted_and_superseded_labels_do_not_agree(project: Project) -> None:
    one, two = make_annotator(project), make_annotator(project)
    instance = make_instance(project)
    label(project, one, instance=instance)
    given = label(project, two, instance=instance)
    label(project, two, instance=instance, ranking=[], supersedes=given, retracted=True)
    assert Annotation.objects.count() == 3
    assert weeks(project) == []


def test_ratings_agree_by_level(project: Project) -> None:
    Criterion.objects.filter(project=project).update(kind="rating")
    one, two = make_annotator(project), make_annotator(project)
    for scores in ([1, 5], [2, 4], [5, None]):
        instance = make_instance(project)
        for who in (one, two):
            label(project, who, instance=instance, ranking=[], scores=scores)
    (week,) = weeks(project)
    assert week.estimate.value == pytest.approx(1.0)
    assert week.estimate.units == 5
