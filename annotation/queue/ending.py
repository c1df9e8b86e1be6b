"""When an instance waits for nobody: neither for people nor for a judge."""

from collections.abc import Iterable

from django.db import connection, transaction

from .models import Destination

TO_PEOPLE = frozenset({Destination.HUMAN, Destination.BOTH})
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


@transaction.atomic
def settle_instances(instance_ids: Iterable[int]) -> int:
    """Mark routed instances settled that wait for nobody; returns how many. Two statements.

    Every place for a person is filled, and every criterion that a judge was sent has its label.
    Whoever fills a last place at this moment is waited for, so that one of both sees everything.
    """
    ids = sorted(set(instance_ids))
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [ids])
    return settle_locked(ids)


def settle_locked(locked: list[int]) -> int:
    """`settle_instances` for rows that are locked already. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, [locked])
        return int(cursor.rowcount)
