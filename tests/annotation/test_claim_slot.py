"""Claiming slots: who gets which, in what order, and that the index serves it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.models import Annotator
from annotation.projects.selectors import protocol_of
from annotation.queue.models import Assignment, Skip, Slot, SlotState
from annotation.queue.selectors import open_to, slots_by_state
from annotation.queue.services import (
    AssignmentItem,
    assign,
    claim,
    draw_order,
    expire_leases,
    prefetch,
    release,
    renew,
    skip,
)
from core.exceptions import Conflict, InvalidInput
from tests.factories import make_annotator, make_instance, make_project, make_slot

pytestmark = pytest.mark.django_db


def queue_of(count: int = 1, overlap: int = 1, destination: str = "human") -> Project:
    project = make_project()
    items = [item(make_instance(project), overlap, destination) for _ in range(count)]
    assign(project=project, items=items)
    return project


def item(instance: Instance, overlap: int = 1, destination: str = "human") -> AssignmentItem:
    return AssignmentItem(instance.pk, destination, "routed", 1.0, overlap)


def claimed(annotator: Annotator, **options: Any) -> Slot:
    slot = claim(project=annotator.project, annotator=annotator, **options)
    assert slot is not None
    return slot


def let_expire(slot: Slot) -> None:
    Slot.objects.filter(pk=slot.pk).update(leased_until=timezone.now() - timedelta(seconds=1))


def test_assign_opens_slots_where_people_are_asked() -> None:
    project = make_project()
    instances = [make_instance(project) for _ in range(4)]
    kinds = ["human", "both", "judge", "drop"]
    items = [item(each, 2, kind) for each, kind in zip(instances, kinds, strict=True)]
    assert assign(project=project, items=items) == 4
    assert list(Slot.objects.order_by("pk").values_list("instance", "ordinal")) == [
        (instances[0].pk, 0),
        (instances[0].pk, 1),
        (instances[1].pk, 0),
        (instances[1].pk, 1),
    ]
    states = list(Instance.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["routed", "routed", "routed", "dropped"]
    assert assign(project=project, items=items) == 0
    assert (Slot.objects.count(), Assignment.objects.count()) == (4, 4)


def test_assign_refuses_instances_of_another_project_and_writes_nothing() -> None:
    project = make_project()
    items = [item(make_instance(project)), item(make_instance(make_project()))]
    with pytest.raises(InvalidInput, match="is not in the project"):
        assign(project=project, items=items)
    assert not Assignment.objects.exists()


def test_a_claim_leases_the_slot_with_an_order() -> None:
    annotator = make_annotator(queue_of())
    slot = claimed(annotator)
    assert (slot.state, slot.annotator) == (SlotState.LEASED, annotator)
    assert sorted(slot.shown_order or []) == [0, 1]
    assert slot.leased_until is not None
    left = slot.leased_until - timezone.now()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    assert claim(project=annotator.project, annotator=make_annotator(annotator.project)) is None


def test_the_highest_priority_comes_first_then_the_oldest() -> None:
    project = make_project()
    instances = [make_instance(project) for _ in range(3)]
    for instance, priority in zip(instances, (0, 5, 0), strict=True):
        make_slot(instance, priority=priority)
    order = [claimed(make_annotator(project)).instance for _ in range(3)]
    assert order == [instances[1], instances[0], instances[2]]


def test_nobody_gets_an_instance_twice() -> None:
    annotator = make_annotator(queue_of(count=1, overlap=3))
    first = claimed(annotator)
    assert claim(project=annotator.project, annotator=annotator) is None
    Slot.objects.filter(pk=first.pk).update(state=SlotState.SUBMITTED)
    assert claim(project=annotator.project, annotator=annotator) is None


def test_resume_hands_out_the_older_lease_first() -> None:
    annotator = make_annotator(queue_of(count=3))
    first = claimed(annotator, resume=True)
    second = prefetch(project=annotator.project, annotator=annotator)
    assert second is not None
    assert second != first
    assert claimed(annotator, resume=True) == first
    assert prefetch(project=annotator.project, annotator=annotator) == second
    renew(slot=first, annotator=annotator)
    assert claimed(annotator, resume=True) == first


def test_a_late_lease_nobody_took_is_resumed_and_runs_anew() -> None:
    annotator = make_annotator(queue_of(count=2))
    slot = claimed(annotator)
    let_expire(slot)
    again = claimed(annotator, resume=True)
    assert again == slot
    assert again.shown_order == slot.shown_order
    assert again.leased_until is not None
    assert again.leased_until > timezone.now()
    assert prefetch(project=annotator.project, annotator=annotator) != slot


def test_two_are_held_at_most() -> None:
    annotator = make_annotator(queue_of(count=3))
    claimed(annotator)
    claimed(annotator)
    with pytest.raises(Conflict, match="two instances already"):
        claim(project=annotator.project, annotator=annotator)


def test_an_expired_lease_goes_to_the_next_one() -> None:
    annotator = make_annotator(queue_of())
    slot = claimed(annotator)
    other = make_annotator(annotator.project)
    assert claim(project=annotator.project, annotator=other) is None
    let_expire(slot)
    assert slots_by_state(annotator.project)["open"] == open_to(other) == 1
    assert claimed(other) == slot
    with pytest.raises(Conflict, match="no longer yours"):
        renew(slot=slot, annotator=annotator)


def test_a_late_renewal_holds_while_nobody_else_came() -> None:
    annotator = make_annotator(queue_of())
    slot = claimed(annotator)
    let_expire(slot)
    assert (renew(slot=slot, annotator=annotator).leased_until or timezone.now()) > timezone.now()
    assert expire_leases() == 0


def test_expiry_opens_only_what_ran_out() -> None:
    project = queue_of(count=2)
    late, fresh = claimed(make_annotator(project)), claimed(make_annotator(project))
    let_expire(late)
    assert expire_leases() == 1
    late.refresh_from_db()
    fresh.refresh_from_db()
    assert (late.state, late.annotator, late.shown_order) == (SlotState.OPEN, None, None)
    assert fresh.state == SlotState.LEASED


def test_a_skip_opens_the_slot_for_others_only() -> None:
    annotator = make_annotator(queue_of())
    slot = claimed(annotator)
    skip(slot=slot, annotator=annotator, kind="language")
    assert Skip.objects.get().kind == "language"
    assert claim(project=annotator.project, annotator=annotator) is None
    assert open_to(annotator) == 0
    assert claimed(make_annotator(annotator.project)) == slot


@pytest.mark.parametrize(("kind", "note"), [("bored", ""), ("", ""), ("broken", "x" * 501)])
def test_a_skip_needs_a_known_kind_and_a_short_note(kind: str, note: str) -> None:
    annotator = make_annotator(queue_of())
    slot = claimed(annotator)
    with pytest.raises(InvalidInput):
        skip(slot=slot, annotator=annotator, kind=kind, note=note)
    slot.refresh_from_db()
    assert slot.state == SlotState.LEASED


def test_what_another_holds_can_be_neither_released_nor_skipped() -> None:
    annotator = make_annotator(queue_of())
    slot = claimed(annotator)
    other = make_annotator(annotator.project)
    release(slot=slot, annotator=other)
    with pytest.raises(Conflict):
        skip(slot=slot, annotator=other, note="mine now")
    slot.refresh_from_db()
    assert slot.annotator == annotator
    release(slot=slot, annotator=annotator)
    assert claimed(other) == slot


def test_an_annotator_of_another_project_is_refused() -> None:
    with pytest.raises(InvalidInput, match="another project"):
        claim(project=queue_of(), annotator=make_annotator(make_project()))


def test_the_order_is_drawn_per_annotator_and_stays() -> None:
    project = queue_of(count=1, overlap=50)
    protocol = protocol_of(project)
    people = [make_annotator(project, kind="import") for _ in range(40)]
    slot = Slot.objects.all()[0]
    orders = [draw_order(protocol, slot, each, 2) for each in people]
    assert orders == [draw_order(protocol, slot, each, 2) for each in people]
    # Forty fair draws: all alike, or nearly so, has a chance below 1e-5.
    assert 8 <= orders.count([0, 1]) <= 32


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("slot_within_overlap", {"ordinal": 2, "overlap": 2}),
        ("slot_ordinal_unique", {"ordinal": 0, "overlap": 2}),
        ("slot_lease_complete", {"ordinal": 1, "overlap": 2, "state": "leased"}),
        ("slot_open_has_pool", {"ordinal": 1, "overlap": 2, "pool": None}),
    ],
)
def test_the_database_refuses_a_wrong_slot(constraint: str, wrong: dict[str, Any]) -> None:
    slot = make_slot(make_instance(make_project()), overlap=2)
    fields = {"pool": slot.pool} | wrong
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Slot.objects.create(project=slot.project, instance=slot.instance, **fields)


def test_the_database_refuses_two_slots_of_one_annotator_on_an_instance() -> None:
    project = make_project()
    instance, annotator = make_instance(project), make_annotator(project)
    make_slot(instance, annotator, ordinal=0, overlap=2)
    with pytest.raises(IntegrityError, match="slot_once_per_annotator"), transaction.atomic():
        make_slot(instance, annotator, ordinal=1, overlap=2)
