"""Assigning instances; the rest of what can be done to the queue stands beside it."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.projects.models import Protocol
from annotation.projects.selectors import criteria_of, protocol_of
from core.exceptions import InvalidInput

from .adding import add_slot
from .claiming import claim, prefetch
from .ending import TO_PEOPLE, settle_instances
from .flags import drop, restore, skip
from .leases import draw_order, expire_leases, lease_end, release, release_all, renew
from .models import Assignment, Destination, Slot
from .openings import Place, note_opening
from .pools import cohorts_of, pools_for, required, together
from .purposes import Purpose
from .settling import finish, reopen
from .steering import pause, qualify, resume

__all__ = [
    "AssignmentItem",
    "add_slot",
    "assign",
    "claim",
    "draw_order",
    "drop",
    "expire_leases",
    "finish",
    "lease_end",
    "pause",
    "prefetch",
    "qualify",
    "release",
    "release_all",
    "renew",
    "reopen",
    "restore",
    "resume",
    "settle_instances",
    "skip",
]

BATCH = 1000
NEVER = (InstanceState.GOLD, InstanceState.FLAGGED)


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
    # Keys of the criteria that people are asked; none: all of the project's.
    criteria: tuple[str, ...] = ()
    # Qualifications that its places take beside those of the gates.
    requires: tuple[str, ...] = ()


def assign(
    *,
    project: Project,
    items: Iterable[AssignmentItem],
    open_slots: bool = True,
    judge: int | None = None,
) -> int:
    """Write the assignments, and open slots where the destination has people in it.

    `open_slots=False` is for replay, where recorded labels take the place of people. `judge` is
    the id of the annotator that answers for the judge: what it has labelled before is settled at
    once. None: what any has.

    An instance that is assigned already keeps its assignment and its slots, so that a repeated
    call (a job picked up again) changes nothing; gold and flagged instances are passed over. Where
    the project has seats they say how many places there are, in place of the overlap.

    Returns how many instances are newly assigned.

    Raises:
        InvalidInput: an instance or a criterion is not of this project, or an overlap is below 1.
    """
    wanted = {item.instance_id: item for item in items}
    if any(item.overlap < 1 for item in wanted.values()):
        raise InvalidInput("The overlap of an assignment must be at least 1.")
    keys = sorted(wanted)
    _check_criteria(project, wanted.values())
    protocol = protocol_of(project)
    with transaction.atomic():
        batches = [
            _assign_batch(
                project,
                protocol,
                [wanted[key] for key in keys[start : start + BATCH]],
                open_slots=open_slots,
                judge=judge,
            )
            for start in range(0, len(keys), BATCH)
        ]
        if first := [place for _, place in batches if place is not None]:
            priority, slot = min(first)
            note_opening(project.pk, priority=-priority, slot_id=slot)
    return sum(count for count, _ in batches)


def _check_criteria(project: Project, items: Iterable[AssignmentItem]) -> None:
    named = {key for item in items for key in item.criteria}
    if named and (unknown := sorted(named - {each.key for each in criteria_of(project)})):
        raise InvalidInput(f"The project {project.slug} has no criterion {unknown[0]!r}.")


def _assign_batch(
    project: Project,
    protocol: Protocol,
    items: list[AssignmentItem],
    *,
    open_slots: bool,
    judge: int | None,
) -> tuple[int, Place | None]:
    """How many are newly assigned, and the place in front of all slots that were opened."""
    keys = [item.instance_id for item in items]
    # The instance row is the lock under which its slots are counted out.
    locked = Instance.objects.filter(project=project, pk__in=keys).order_by("pk")
    rows = {row.pk: row for row in locked.select_for_update(no_key=True).only("tags", "state")}
    if missing := sorted(set(keys) - set(rows)):
        raise InvalidInput(f"Instance {missing[0]} is not in the project {project.slug}.")
    passed = set(Assignment.objects.filter(instance__in=keys).values_list("instance", flat=True))
    passed |= {pk for pk, row in rows.items() if row.state in NEVER}
    fresh = [item for item in items if item.instance_id not in passed]
    Assignment.objects.bulk_create([_assignment(item, protocol) for item in fresh])
    slots = []
    if open_slots:
        to_people = [item for item in fresh if item.destination in TO_PEOPLE]
        opened = _slots(project, protocol, to_people, rows)
        slots = Slot.objects.bulk_create(opened, batch_size=BATCH)
    dropped = [item.instance_id for item in fresh if item.destination == Destination.DROP]
    Instance.objects.filter(pk__in=dropped).update(state=InstanceState.DROPPED)
    kept = {item.instance_id for item in fresh} - set(dropped)
    Instance.objects.filter(pk__in=kept).update(state=InstanceState.ROUTED)
    # What whoever it is sent to has labelled before waits for nobody.
    if alone := [item.instance_id for item in fresh if item.destination not in TO_PEOPLE]:
        settle_instances(alone, judge=judge)
    return len(fresh), min(((-slot.priority, slot.pk) for slot in slots), default=None)


def _assignment(item: AssignmentItem, protocol: Protocol) -> Assignment:
    return Assignment(
        instance_id=item.instance_id,
        destination=item.destination,
        arm=item.arm,
        propensity=item.propensity,
        overlap=len(cohorts_of(protocol, item.overlap)),
        criteria=list(item.criteria),
        decision_id=item.decision_id,
    )


def _slots(
    project: Project,
    protocol: Protocol,
    items: Sequence[AssignmentItem],
    rows: Mapping[int, Instance],
) -> list[Slot]:
    needs = {
        item.instance_id: together(
            required(rows[item.instance_id].tags, protocol.gates), item.requires
        )
        for item in items
    }
    places = [
        (item, (cohort, needs[item.instance_id]), ordinal)
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
            overlap=len(cohorts_of(protocol, item.overlap)),
            priority=item.priority,
            criteria=list(item.criteria),
            decision_id=item.decision_id,
        )
        for item, terms, ordinal in places
    ]
