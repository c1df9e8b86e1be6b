"""Leases: how long they run, giving them back, and taking back what ran out.

What becomes of a slot that is given back unlabelled, by hand or by the clock:

| the slot is for                          | outcome                                              |
|------------------------------------------|------------------------------------------------------|
| a label                                  | open for others                                      |
| a label, and its instance was set aside  | withdrawn                                            |
| gold, qualification, a repeat, a review  | withdrawn, and theirs still: nobody else can fill it |
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from core.exceptions import Conflict
from core.hashing import unit_interval

from .models import Slot, SlotState
from .openings import note_openings
from .purposes import Purpose

# Nobody is asked about an instance in one of these states.
ASIDE = (InstanceState.DROPPED, InstanceState.FLAGGED, InstanceState.GOLD)
NOT_YOURS = "This instance is no longer yours: ask for the next one."
FREE: dict[str, Any] = {
    "annotator": None,
    "leased_at": None,
    "leased_until": None,
    "shown_order": None,
}


def lease_end(protocol: Protocol, now: datetime) -> datetime:
    return now + timedelta(minutes=protocol.lease_minutes)


def draw_order(protocol: Protocol, slot: Slot, annotator: Annotator, count: int) -> list[int]:
    """Canonical positions in the order this annotator sees them: the same on every visit."""
    return sorted(
        range(count),
        key=lambda position: unit_interval(
            protocol.salt, "order", slot.instance_id, slot.repeat_no, annotator.pk, position
        ),
    )


@transaction.atomic
def renew(*, slot: Slot, annotator: Annotator) -> Slot:
    """Start the lease anew, together with what else the annotator holds.

    Raises:
        Conflict: the lease ran out and the slot went to somebody else.
    """
    until = lease_end(protocol_of(annotator.project), timezone.now())
    mine = Slot.objects.filter(annotator=annotator, state=SlotState.LEASED)
    if not mine.filter(pk=slot.pk).update(leased_until=until):
        raise Conflict(NOT_YOURS)
    mine.update(leased_until=until)
    slot.refresh_from_db()
    return slot


@transaction.atomic
def release(*, slot: Slot, annotator: Annotator) -> None:
    """Give the slot back unlabelled; a slot that is no longer theirs is left alone."""
    mine = Slot.objects.filter(pk=slot.pk, annotator=annotator, state=SlotState.LEASED)
    give_back(annotator.project_id, list(mine.select_for_update().values_list("pk", flat=True)))


@transaction.atomic
def release_all(annotator: Annotator) -> int:
    """Give back everything they hold; returns how many slots that were."""
    held = Slot.objects.filter(annotator=annotator, state=SlotState.LEASED).order_by("pk")
    return give_back(
        annotator.project_id, list(held.select_for_update().values_list("pk", flat=True))
    )


def expire_leases(*, project: Project | None = None) -> int:
    """Open the slots whose lease ran out; returns how many. Those in somebody's hand right now
    (locked by a submit) are passed over. One transaction for each project.
    """
    late = Slot.objects.filter(state=SlotState.LEASED, leased_until__lt=timezone.now())
    if project is not None:
        late = late.filter(project=project)
    return sum(_expire(key) for key in sorted(set(late.values_list("project", flat=True))))


@transaction.atomic
def _expire(project_id: int) -> int:
    late = Slot.objects.filter(
        project=project_id, state=SlotState.LEASED, leased_until__lt=timezone.now()
    )
    keys = late.select_for_update(skip_locked=True).values_list("pk", flat=True)
    return give_back(project_id, list(keys))


def give_back(project_id: int, keys: Collection[int]) -> int:
    """As the table above says, for leased slots that the caller has locked; returns how many."""
    if not keys:
        return 0
    slots = Slot.objects.filter(pk__in=keys)
    # The instance's row, so that it is not set aside meanwhile.
    rows = Instance.objects.filter(pk__in=slots.values("instance")).order_by("pk")
    aside = {row.pk for row in rows.select_for_update(no_key=True) if row.state in ASIDE}
    withdrawn = {"state": SlotState.WITHDRAWN, "leased_until": None}
    slots.exclude(purpose=Purpose.LABEL).update(**withdrawn)
    labels = slots.filter(purpose=Purpose.LABEL)
    labels.filter(instance__in=aside).update(**FREE | withdrawn)
    opening = labels.exclude(instance__in=aside)
    opened = list(opening.values_list("instance", flat=True))
    if opening.update(state=SlotState.OPEN, **FREE):
        note_openings(project_id, opened)
    return len(keys)
