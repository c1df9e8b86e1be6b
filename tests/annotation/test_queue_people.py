"""Who may take what: cohorts, qualifications, quotas, pausing, exclusion."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from annotation.labels.models import Annotator
from annotation.labels.services import Answer, submit
from annotation.projects.models import Protocol
from annotation.queue.barriers import Barrier, why_empty
from annotation.queue.models import Assignment, Slot, SlotState
from annotation.queue.selectors import left_for
from annotation.queue.services import (
    AssignmentItem,
    add_slot,
    assign,
    claim,
    pause,
    prefetch,
    qualify,
    release_all,
    resume,
)
from annotation.tasks import expire_leases
from audit.models import Event
from core.exceptions import Conflict, InvalidInput
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


def queue_of(*tags: list[str], overlap: int = 1, **settings: Any) -> Project:
    """A project with an assigned instance for each list of tags."""
    project = make_project()
    Protocol.objects.filter(project=project).update(**settings)
    items = [
        AssignmentItem(make_instance(project, tags=each).pk, "human", "routed", 1.0, overlap)
        for each in tags
    ]
    assign(project=project, items=items)
    return project


def take(annotator: Annotator) -> Slot | None:
    return claim(project=annotator.project, annotator=annotator)


def answer(slot: Slot, annotator: Annotator) -> None:
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [1, 2])],
    )


def test_seats_open_places_for_cohorts() -> None:
    seats = [{"cohort": "regular", "count": 2}, {"cohort": "expert", "count": 1}]
    project = queue_of([], seats=seats)
    assert Assignment.objects.get().overlap == 3
    assert list(Slot.objects.order_by("ordinal").values_list("pool__cohort", "overlap")) == [
        ("regular", 3),
        ("regular", 3),
        ("expert", 3),
    ]
    people = [make_annotator(project, cohort="regular") for _ in range(3)]
    assert [take(each) is None for each in people] == [False, False, True]
    assert take(make_annotator(project)) is None
    assert take(make_annotator(project, cohort="expert")) is not None


def test_gated_tags_need_the_very_qualification() -> None:
    project = queue_of(["lang:de", "domain:law"], ["short"], gates=["lang:", "expert"])
    german, anybody = Slot.objects.order_by("pk")
    assert (german.pool, anybody.pool) != (None, None)
    assert german.pool is not None
    assert german.pool.requires == ["lang:de"]
    nobody = make_annotator(project)
    assert take(nobody) == anybody
    assert take(nobody) is None
    qualify(nobody, qualifications=["lang:de", "expert"])
    nobody.refresh_from_db()
    assert left_for(nobody).instances == 1
    assert take(nobody) == german


def test_a_change_of_people_keeps_what_is_not_named() -> None:
    annotator = make_annotator(make_project(), cohort="expert", quota=3)
    row = qualify(annotator, qualifications=["b", "a", "a"], admit=True)
    assert (row.cohort, row.qualifications, row.quota) == ("expert", ["a", "b"], 3)
    assert row.qualified_at is not None
    assert qualify(annotator, quota=None).quota is None
    with pytest.raises(InvalidInput):
        qualify(annotator, quota=-1)
    with pytest.raises(InvalidInput):
        qualify(annotator, cohort="x" * 41)


def test_a_quota_counts_what_is_held_and_done() -> None:
    project = queue_of([], [], [])
    annotator = make_annotator(project, quota=2)
    first = take(annotator)
    assert first is not None
    answer(first, annotator)
    assert take(annotator) is not None
    assert take(annotator) is None
    assert why_empty(project, annotator) == Barrier.QUOTA


def test_a_paused_project_hands_out_nothing_and_takes_what_is_held() -> None:
    project = queue_of([], [])
    annotator = make_annotator(project)
    slot = take(annotator)
    assert slot is not None
    owner = annotator.user
    pause(project=project, by=owner)
    pause(project=project, by=owner)
    assert claim(project=project, annotator=annotator, resume=True) == slot
    assert prefetch(project=project, annotator=annotator) is None
    assert why_empty(project, annotator) == Barrier.PAUSED
    answer(slot, annotator)
    resume(project=project, by=owner)
    assert take(annotator) is not None
    acts = ["project paused", "project resumed"]
    assert list(Event.objects.filter(action__in=acts).values_list("action", flat=True)) == acts


def test_somebody_excluded_gets_nothing_more() -> None:
    project = queue_of([])
    annotator = make_annotator(project, excluded_at=timezone.now())
    assert take(annotator) is None
    assert why_empty(project, annotator) == Barrier.EXCLUDED


def test_the_end_of_the_queue_is_named() -> None:
    project = queue_of()
    assert why_empty(project, make_annotator(project)) == Barrier.NOTHING_LEFT
    Protocol.objects.filter(project=project).update(qualify_count=2)
    assert why_empty(project, make_annotator(project)) == Barrier.NOT_QUALIFIED


def test_everything_held_is_released_at_once() -> None:
    project = queue_of([], [], [])
    annotator = make_annotator(project)
    assert take(annotator) is not None
    assert take(annotator) is not None
    assert release_all(annotator) == 2
    assert release_all(annotator) == 0
    assert set(Slot.objects.values_list("state", flat=True)) == {SlotState.OPEN}


def test_the_clock_frees_leases_of_all_projects() -> None:
    slots = [take(make_annotator(queue_of([]))) for _ in range(2)]
    late = timezone.now() - timedelta(seconds=1)
    Slot.objects.filter(pk__in=[slot.pk for slot in slots if slot]).update(leased_until=late)
    expire_leases()
    assert set(Slot.objects.values_list("state", flat=True)) == {SlotState.OPEN}


def test_a_place_can_be_added_for_anybody_or_for_a_reviewer() -> None:
    project = queue_of(["lang:de"], gates=["lang:"])
    annotator = make_annotator(project, qualifications=["lang:de"])
    slot = take(annotator)
    assert slot is not None
    answer(slot, annotator)
    instance = slot.instance
    instance.refresh_from_db()
    assert instance.state == "settled"
    reviewer = make_annotator(project)
    review = add_slot(instance=instance, purpose="review", annotator=reviewer)
    assert (review.state, review.annotator, review.ordinal) == ("leased", reviewer, 0)
    instance.refresh_from_db()
    assert instance.state == "settled"
    added = add_slot(instance=instance)
    assert added.pool is not None
    assert (added.state, added.ordinal, added.pool.requires) == ("open", 1, ["lang:de"])
    instance.refresh_from_db()
    assert instance.state == "routed"
    assert take(annotator) is None
    assert take(make_annotator(project, qualifications=["lang:de"])) == added


def test_places_that_make_no_sense_are_refused() -> None:
    project = queue_of([])
    annotator = make_annotator(project)
    slot = take(annotator)
    assert slot is not None
    with pytest.raises(Conflict, match="has a place"):
        add_slot(instance=slot.instance, annotator=annotator)
    with pytest.raises(InvalidInput, match="reviewer"):
        add_slot(instance=slot.instance, purpose="review")
    with pytest.raises(InvalidInput):
        add_slot(instance=slot.instance, purpose="gold")
    gold = make_instance(project, state="gold")
    with pytest.raises(Conflict, match="set aside"):
        add_slot(instance=gold)
    item = AssignmentItem(gold.pk, "human", "routed", 1.0)
    assert assign(project=project, items=[item]) == 0
    assert Slot.objects.count() == 1


def test_a_late_submit_takes_no_place_of_another_cohort() -> None:
    seats = [{"cohort": "", "count": 1}, {"cohort": "expert", "count": 1}]
    project = queue_of([], seats=seats)
    late = make_annotator(project)
    slot = take(late)
    assert slot is not None
    past = timezone.now() - timedelta(seconds=1)
    Slot.objects.filter(pk=slot.pk).update(leased_until=past)
    assert take(make_annotator(project)) == slot
    with pytest.raises(Conflict, match="Somebody else"):
        answer(slot, late)
    assert Slot.objects.get(pool__cohort="expert").state == SlotState.OPEN
