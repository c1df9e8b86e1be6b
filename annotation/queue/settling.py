"""What a label means for its instance: it settles, or one more person is asked."""

from collections.abc import Iterable

from django.db import connection, transaction

from annotation.instances.models import Instance, InstanceState
from annotation.projects.models import Protocol

from .adapting import ask_again, take_back
from .models import Destination, Slot, SlotState
from .purposes import Purpose

TO_PEOPLE = frozenset({Destination.HUMAN, Destination.BOTH})
WAIT = """
SELECT id, project_id, state FROM annotation_instance WHERE id = %s FOR NO KEY UPDATE
"""
LOCK = """
SELECT id FROM annotation_instance WHERE id = ANY(%s::bigint[]) AND state = 'routed'
ORDER BY id FOR NO KEY UPDATE
"""
# Where an assignment names criteria, people are asked those and the judge beside them the others;
# a judge alone is asked those that are named. Where none is named one label speaks for all.
SETTLE = """
UPDATE annotation_instance AS instance SET state = 'settled'
FROM annotation_assignment AS assignment
WHERE instance.id = ANY(%s::bigint[]) AND instance.state = 'routed'
  AND assignment.instance_id = instance.id
  AND (assignment.destination IN ('human', 'both') OR EXISTS (
    SELECT 1 FROM annotation_annotation AS label
    JOIN annotation_annotator AS annotator ON annotator.id = label.annotator_id
    WHERE label.instance_id = instance.id AND annotator.kind IN ('judge', 'verifier')))
  AND (cardinality(assignment.criteria) = 0 OR assignment.destination = 'human' OR NOT EXISTS (
    SELECT 1 FROM annotation_criterion AS criterion
    WHERE criterion.project_id = instance.project_id
      AND (criterion.key = ANY(assignment.criteria)) = (assignment.destination <> 'both')
      AND NOT EXISTS (
        SELECT 1 FROM annotation_annotation AS label
        JOIN annotation_annotator AS annotator ON annotator.id = label.annotator_id
        WHERE label.instance_id = instance.id AND label.criterion_id = criterion.id
          AND annotator.kind IN ('judge', 'verifier'))))
  AND NOT EXISTS (
    SELECT 1 FROM annotation_slot AS slot
    WHERE slot.instance_id = instance.id AND slot.purpose = 'label'
      AND slot.state IN ('open', 'leased'))
"""


def finish(*, slot: Slot, protocol: Protocol) -> None:
    """After a submit on the slot: settle its instance or ask once more, when nobody is awaited.

    Two who fill the last two places wait for each other at the instance, so that one of them
    sees both.
    """
    if slot.purpose != Purpose.LABEL:
        return
    (instance,) = Instance.objects.raw(WAIT, [slot.instance_id])
    if instance.state != InstanceState.ROUTED:
        return
    adaptive = protocol.overlap_most is not None and not _awaited(instance)
    if not (adaptive and ask_again(instance=instance, protocol=protocol)):
        _settle([instance.pk])


def reopen(*, slot: Slot, protocol: Protocol) -> None:
    """After the label on the slot was taken back: its instance is asked about again.

    Places that were added because of it and that nobody has taken go.
    """
    if slot.purpose != Purpose.LABEL:
        return
    instance = Instance.objects.select_for_update(no_key=True).get(pk=slot.instance_id)
    if instance.state == InstanceState.SETTLED:
        instance.state = InstanceState.ROUTED
        instance.save(update_fields=["state"])
    if protocol.overlap_most is not None:
        take_back(instance=instance)


def _awaited(instance: Instance) -> bool:
    return Slot.objects.filter(
        instance=instance,
        purpose=Purpose.LABEL,
        state__in=[SlotState.OPEN, SlotState.LEASED],
    ).exists()


@transaction.atomic
def settle_instances(instance_ids: Iterable[int]) -> int:
    """Mark routed instances settled that wait for nobody; returns how many. Two statements.

    Every place for a person is filled, and every criterion that a judge was sent has its label.
    Whoever fills a last place at this moment is waited for, so that one of both sees everything.
    """
    ids = sorted(set(instance_ids))
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [ids])
    return _settle(ids)


def _settle(locked: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, [locked])
        return int(cursor.rowcount)
