"""Assigning instances and handing out slots."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from core.exceptions import Conflict, InvalidInput
from core.hashing import unit_interval

from .models import Assignment, Destination, Skip, SkipKind, Slot, SlotState
from .pools import cohorts_of, pools_for, required
from .purposes import Purpose

# The one in front of the annotator and the next one, already rendered.
MOST_HELD = 2
BATCH = 1000
TO_PEOPLE = frozenset({Destination.HUMAN, Destination.BOTH})


@dataclass(frozen=True)
class AssignmentItem:
    """Where one instance goes. `propensity` = P(a human label is obtained), fixed beforehand."""

    instance_id: int
    destination: str
    arm: str
    propensity: float
    overlap: int = 1
    decision_id: uuid.UUID | None = None
    priority: float = 0


def assign(*, project: Project, items: Iterable[AssignmentItem], open_slots: bool = True) -> int:
    """Write the assignments, and open slots where the destination has people in it.

    `open_slots=False` is for replay, where recorded labels take the place of people.

    An instance that is assigned already keeps its assignment and its slots, so that a repeated
    call (a job picked up again) changes nothing. Returns how many instances are newly assigned.

    Raises:
        InvalidInput: an instance is not of this project, or an overlap is below 1.
    """
    wanted = {item.instance_id: item for item in items}
    if any(item.overlap < 1 for item in wanted.values()):
        raise InvalidInput("The overlap of an assignment must be at least 1.")
    keys = sorted(wanted)
    with transaction.atomic():
        return sum(
            _assign_batch(project, [wanted[key] for key in keys[start : start + BATCH]], open_slots)
            for start in range(0, len(keys), BATCH)
        )


def _assign_batch(project: Project, items: list[AssignmentItem], open_slots: bool) -> int:
    keys = [item.instance_id for item in items]
    # The instance row is the lock under which its slots are counted out.
    locked = Instance.objects.filter(project=project, pk__in=keys).order_by("pk")
    tags = dict(locked.select_for_update(no_key=True).values_list("pk", "tags"))
    if missing := sorted(set(keys) - set(tags)):
        raise InvalidInput(f"Instance {missing[0]} is not in the project {project.slug}.")
    there = set(Assignment.objects.filter(instance__in=keys).values_list("instance_id", flat=True))
    fresh = [item for item in items if item.instance_id not in there]
    Assignment.objects.bulk_create([_assignment(item) for item in fresh])
    if open_slots:
        to_people = [item for item in fresh if item.destination in TO_PEOPLE]
        Slot.objects.bulk_create(_slots(project, to_people, tags))
    dropped = [item.instance_id for item in fresh if item.destination == Destination.DROP]
    Instance.objects.filter(pk__in=dropped).update(state=InstanceState.DROPPED)
    kept = {item.instance_id for item in fresh} - set(dropped)
    Instance.objects.filter(pk__in=kept).update(state=InstanceState.ROUTED)
    return len(fresh)


def _assignment(item: AssignmentItem) -> Assignment:
    return Assignment(
        instance_id=item.instance_id,
        destination=item.destination,
        arm=item.arm,
        propensity=item.propensity,
        overlap=item.overlap,
        decision_id=item.decision_id,
    )


def _slots(
    project: Project, items: Sequence[AssignmentItem], tags: Mapping[int, list[str]]
) -> list[Slot]:
    protocol = protocol_of(project)
    places = [
        (item, (cohort, required(tags[item.instance_id], protocol.gates)), ordinal)
        for item in items
        for ordinal, cohort in enumerate(cohorts_of(protocol, item.overlap))
    ]
    pools = pools_for(project, [terms for _, terms, _ in places])
    return [
        Slot(
            project=project,
            instance_id=item.instance_id,
            purpose=Purpose.LABEL,
            pool=pools[terms],
            ordinal=ordinal,
            overlap=max(item.overlap, ordinal + 1),
            priority=item.priority,
            decision_id=item.decision_id,
        )
        for item, terms, ordinal in places
    ]


# One statement: what it reads it locks, and what others have locked it passes over. The partial
# index `slot_claim` gives the open slots in this order.
CLAIM = """
UPDATE annotation_slot SET
  state = 'leased', annotator_id = %(annotator)s, leased_at = %(now)s, leased_until = %(until)s,
  shown_order = NULL
WHERE id = (
  SELECT slot.id FROM annotation_slot AS slot
  WHERE slot.project_id = %(project)s AND slot.state = 'open'
    AND NOT EXISTS (
      SELECT 1 FROM annotation_slot AS mine
      WHERE mine.instance_id = slot.instance_id AND mine.annotator_id = %(annotator)s)
    AND NOT EXISTS (
      SELECT 1 FROM annotation_skip AS skip
      WHERE skip.instance_id = slot.instance_id AND skip.annotator_id = %(annotator)s)
  ORDER BY slot.priority DESC, slot.id
  LIMIT 1
  FOR UPDATE OF slot SKIP LOCKED)
RETURNING id
"""


@transaction.atomic
def claim(*, project: Project, annotator: Annotator, resume: bool = False) -> Slot | None:
    """Lease the next open slot to the annotator; None when there is none for them.

    They get no instance on which they have a slot already or which they skipped. With `resume`
    the lease they took first and still hold is handed out again before a new one.

    Raises:
        Conflict: they hold two slots already.
    """
    _same_project(project, annotator)
    held = _held_by(annotator)
    if resume and held:
        return held[0]
    if len(held) >= MOST_HELD:
        raise Conflict("You hold two instances already: submit or skip one first.")
    return _lease_next(project, annotator)


@transaction.atomic
def prefetch(*, project: Project, annotator: Annotator) -> Slot | None:
    """The slot after the one in front of the annotator, leased so that it is theirs in time."""
    _same_project(project, annotator)
    held = _held_by(annotator)
    return held[1] if len(held) > 1 else _lease_next(project, annotator)


def _same_project(project: Project, annotator: Annotator) -> None:
    if annotator.project_id != project.pk:
        raise InvalidInput("This annotator belongs to another project.")


def _held_by(annotator: Annotator) -> list[Slot]:
    """What they hold, the one taken first in front. Locks the annotator: one claim at a time.

    A lease that ran out while nobody else wanted the slot starts anew: it is on their screen.
    """
    # NO KEY: annotations that point at the annotator are written meanwhile.
    Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    now = timezone.now()
    held = Slot.objects.filter(annotator=annotator, state=SlotState.LEASED)
    if late := held.filter(leased_until__lte=now).values_list("pk", flat=True):
        until = lease_end(protocol_of(annotator.project), now)
        held.filter(pk__in=list(late)).update(leased_until=until)
    return list(held.order_by("leased_at", "id"))


def _lease_next(project: Project, annotator: Annotator) -> Slot | None:
    expire_leases(project=project)
    protocol = protocol_of(project)
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "annotator": annotator.pk,
                "project": project.pk,
                "now": now,
                "until": lease_end(protocol, now),
            },
        )
        row = cursor.fetchone()
    if row is None:
        return None
    slot = Slot.objects.annotate(count=Count("instance__completions")).get(pk=row[0])
    slot.shown_order = draw_order(protocol, slot, annotator, slot.count)
    slot.save(update_fields=["shown_order"])
    return slot


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
        raise Conflict("This instance is no longer yours: ask for the next one.")
    mine.update(leased_until=until)
    slot.refresh_from_db()
    return slot


@transaction.atomic
def release(*, slot: Slot, annotator: Annotator) -> None:
    """Give the slot back unlabelled; a slot that is no longer theirs is left alone."""
    Slot.objects.filter(pk=slot.pk, annotator=annotator, state=SlotState.LEASED).update(**OPENED)


@transaction.atomic
def skip(*, slot: Slot, annotator: Annotator, kind: str = SkipKind.PASS, note: str = "") -> None:
    """Pass on the instance for good: the slot opens for others.

    Raises:
        Conflict: the slot is not leased to this annotator.
        InvalidInput: the kind is unknown or the note is longer than 500 characters.
    """
    note = note.strip()
    if kind not in SkipKind.values:
        raise InvalidInput(f"Say why you skip it: one of {', '.join(SkipKind.values)}.")
    if len(note) > 500 or "\0" in note:
        raise InvalidInput("A note has at most 500 characters.")
    mine = Slot.objects.filter(pk=slot.pk, annotator=annotator, state=SlotState.LEASED)
    if not mine.update(**OPENED):
        raise Conflict("This instance is no longer yours: ask for the next one.")
    Skip.objects.get_or_create(
        instance_id=slot.instance_id, annotator=annotator, defaults={"kind": kind, "note": note}
    )


OPENED = {
    "state": SlotState.OPEN,
    "annotator": None,
    "leased_at": None,
    "leased_until": None,
    "shown_order": None,
}


@transaction.atomic
def expire_leases(*, project: Project | None = None) -> int:
    """Open the slots whose lease ran out; returns how many. Those in somebody's hand right now
    (locked by a submit) are passed over.
    """
    late = Slot.objects.filter(state=SlotState.LEASED, leased_until__lt=timezone.now())
    if project is not None:
        late = late.filter(project=project)
    keys = list(late.select_for_update(skip_locked=True).values_list("pk", flat=True))
    return Slot.objects.filter(pk__in=keys).update(**OPENED) if keys else 0


def settle_instances(instance_ids: Iterable[int]) -> int:
    """Mark routed instances settled that wait for nobody; returns how many.

    Every place for a person is filled, and where only a judge was asked, it has answered.
    """
    unfilled = Slot.objects.filter(
        instance=OuterRef("pk"),
        purpose=Purpose.LABEL,
        state__in=[SlotState.OPEN, SlotState.LEASED],
    )
    judged = Annotation.objects.filter(instance=OuterRef("pk"), annotator__kind=AnnotatorKind.JUDGE)
    ready = Instance.objects.filter(
        ~Exists(unfilled),
        Q(assignment__destination__in=TO_PEOPLE) | Exists(judged),
        pk__in=set(instance_ids),
        state=InstanceState.ROUTED,
        assignment__isnull=False,
    )
    keys = list(ready.values_list("pk", flat=True))
    return Instance.objects.filter(pk__in=keys).update(state=InstanceState.SETTLED)
