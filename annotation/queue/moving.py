"""Sending an instance elsewhere while nobody has begun with it.

| what there is                                | outcome                                        |
|----------------------------------------------|------------------------------------------------|
| only open and withdrawn places               | moved: places close, or open with this decision|
| a lease, a label, or a place that is locked  | left alone: somebody is at it                  |
| set aside, gold, or settled by people        | left alone                                     |
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of

from .ending import TO_PEOPLE, settle_instances
from .leases import FREE
from .models import Slot, SlotState
from .money import free_money
from .openings import note_openings
from .pools import cohorts_of, pools_for, required, together
from .purposes import Purpose

ASSIGNMENTS = """
UPDATE annotation_assignment AS assignment
SET destination = v.destination, propensity = v.propensity, decision_id = v.decision
FROM unnest(%s::bigint[], %s::text[], %s::float8[], %s::uuid[])
  AS v(instance, destination, propensity, decision)
WHERE assignment.instance_id = v.instance
"""
PLACES = """
UPDATE annotation_slot AS slot SET priority = v.priority, decision_id = v.decision
FROM unnest(%s::bigint[], %s::float8[], %s::uuid[]) AS v(instance, priority, decision)
WHERE slot.instance_id = v.instance AND slot.purpose = 'label'
"""
MOVABLE = (InstanceState.ROUTED, InstanceState.SETTLED)
UNTOUCHED = frozenset({SlotState.OPEN, SlotState.WITHDRAWN})


@dataclass(frozen=True)
class Move:
    """Where one instance goes from now on."""

    instance_id: int
    destination: str
    propensity: float
    decision_id: uuid.UUID
    overlap: int = 1
    priority: float = 0.0
    # Qualifications that its places take beside those of the gates.
    requires: tuple[str, ...] = ()


def lock_untouched(project: Project, instance_ids: Iterable[int]) -> list[int]:
    """Lock those of the instances that nobody has begun with, and their places; returns them.

    Whatever somebody else has locked right now (a claim, a submit) is passed over, so that nobody
    waits for anybody. Call inside a transaction.
    """
    wanted = sorted(set(instance_ids))
    rows = Instance.objects.filter(project=project, pk__in=wanted, state__in=MOVABLE)
    free = rows.select_for_update(no_key=True, skip_locked=True).order_by("pk")
    ids = [row.pk for row in free.only("pk")]
    slots = Slot.objects.filter(instance__in=ids, purpose=Purpose.LABEL)
    taken = set(
        slots.select_for_update(no_key=True, skip_locked=True)
        .filter(state__in=UNTOUCHED)
        .values_list("pk", flat=True)
    )
    busy = {instance for pk, instance in slots.values_list("pk", "instance") if pk not in taken}
    return [pk for pk in ids if pk not in busy]


@transaction.atomic
def move(*, project: Project, moves: Sequence[Move], judge: int | None = None) -> list[int]:
    """Close and open places as the table says; returns the instances that were moved.

    `judge`: as `services.assign`.

    Money set aside for closed places is given back first; whoever opens places reserves for them
    afterwards, in this transaction.
    """
    free = set(lock_untouched(project, [each.instance_id for each in moves]))
    chosen = [each for each in moves if each.instance_id in free]
    _close(project, [each.instance_id for each in chosen if each.destination not in TO_PEOPLE])
    _open(project, [each for each in chosen if each.destination in TO_PEOPLE])
    _write(
        ASSIGNMENTS,
        [
            (each.instance_id, each.destination, each.propensity, each.decision_id)
            for each in chosen
        ],
    )
    alone = [each.instance_id for each in chosen if each.destination not in TO_PEOPLE]
    settle_instances(alone, judge=judge)
    return [each.instance_id for each in chosen]


def _close(project: Project, instance_ids: Sequence[int]) -> None:
    opened = Slot.objects.filter(
        instance__in=instance_ids, purpose=Purpose.LABEL, state=SlotState.OPEN
    )
    keys = dict(opened.values_list("pk", "key"))
    Slot.objects.filter(pk__in=keys).update(state=SlotState.WITHDRAWN, **FREE)
    free_money(project.pk, keys.values())


def _open(project: Project, moves: Sequence[Move]) -> None:
    """Open the places that were withdrawn, and make those that are missing."""
    protocol = protocol_of(project)
    ids = [each.instance_id for each in moves]
    rows = Instance.objects.in_bulk(ids)
    there = Slot.objects.filter(instance__in=ids, purpose=Purpose.LABEL)
    ordinals = set(there.values_list("instance", "ordinal"))
    _write(PLACES, [(each.instance_id, each.priority, each.decision_id) for each in moves])
    closed = there.filter(state=SlotState.WITHDRAWN, annotator__isnull=True, pool__isnull=False)
    opened = set(closed.values_list("instance", flat=True))
    _ask_experts(project, protocol, moves, rows)
    closed.update(state=SlotState.OPEN)
    made = _missing(project, protocol, moves, rows, ordinals)
    Slot.objects.bulk_create(made, batch_size=1000)
    opened |= {slot.instance_id for slot in made}
    if opened:
        Instance.objects.filter(pk__in=opened).update(state=InstanceState.ROUTED)
        note_openings(project.pk, opened)


def _ask_experts(
    project: Project, protocol: Protocol, moves: Sequence[Move], rows: dict[int, Instance]
) -> None:
    """Places that were there and open again are for those with the qualification alone."""
    for each in moves:
        if not each.requires:
            continue
        needs = _needs(protocol, each, rows)
        there = Slot.objects.filter(instance=each.instance_id, purpose=Purpose.LABEL)
        closed = there.filter(state=SlotState.WITHDRAWN, annotator__isnull=True)
        for slot in closed.exclude(pool=None).select_related("pool"):
            terms = (slot.pool.cohort if slot.pool else "", needs)
            slot.pool = pools_for(project, [terms])[terms]
            slot.save(update_fields=["pool"])


def _missing(
    project: Project,
    protocol: Protocol,
    moves: Sequence[Move],
    rows: dict[int, Instance],
    ordinals: set[tuple[int, int]],
) -> list[Slot]:
    lacking = [
        (each, ordinal, len(cohorts), (cohort, _needs(protocol, each, rows)))
        for each in moves
        for cohorts in [cohorts_of(protocol, each.overlap)]
        for ordinal, cohort in enumerate(cohorts)
        if (each.instance_id, ordinal) not in ordinals
    ]
    pools = pools_for(project, [terms for *_, terms in lacking]) if lacking else {}
    return [
        Slot(
            project=project,
            instance_id=each.instance_id,
            purpose=Purpose.LABEL,
            pool=pools[terms],
            ordinal=ordinal,
            overlap=overlap,
            priority=each.priority,
            decision_id=each.decision_id,
        )
        for each, ordinal, overlap, terms in lacking
    ]


def _needs(protocol: Protocol, each: Move, rows: dict[int, Instance]) -> tuple[str, ...]:
    return together(required(rows[each.instance_id].tags, protocol.gates), each.requires)


def _write(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """One statement for all rows, each of whose columns is one of its lists."""
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
