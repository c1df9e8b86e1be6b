"""When an instance waits for nobody: neither for people nor for a judge."""

from collections.abc import Iterable

from django.db import connection, transaction

from .models import Destination

TO_PEOPLE = frozenset({Destination.HUMAN, Destination.BOTH})
LOCK = """
SELECT id FROM annotation_instance WHERE id = ANY(%s::bigint[]) AND state = 'routed'
ORDER BY id FOR NO KEY UPDATE
"""
# A label of whoever the instance was sent to: a judge's word is no check by a program, and of
# several judges it is the one that was chosen, where the caller says which.
ANSWER = """
    SELECT 1 FROM annotation_annotation AS label
    JOIN annotation_annotator AS annotator ON annotator.id = label.annotator_id
    WHERE label.instance_id = instance.id AND CASE assignment.destination
      WHEN 'verifier' THEN annotator.kind = 'verifier'
      ELSE annotator.kind IN ('judge', 'verifier')
        AND annotator.id = COALESCE(%(judge)s::bigint, annotator.id) END
"""
# Where an assignment names criteria, people are asked those and the judge beside them the others;
# a judge alone is asked those that are named. Where none is named one label speaks for all.
SETTLE = """
UPDATE annotation_instance AS instance SET state = 'settled'
FROM annotation_assignment AS assignment
WHERE instance.id = ANY(%(ids)s::bigint[]) AND instance.state = 'routed'
  AND assignment.instance_id = instance.id
  AND (assignment.destination IN ('human', 'both') OR EXISTS (@ANSWER))
  AND (cardinality(assignment.criteria) = 0 OR assignment.destination = 'human' OR NOT EXISTS (
    SELECT 1 FROM annotation_criterion AS criterion
    WHERE criterion.project_id = instance.project_id
      AND (criterion.key = ANY(assignment.criteria)) = (assignment.destination <> 'both')
      AND NOT EXISTS (@ANSWER AND label.criterion_id = criterion.id)))
  AND NOT EXISTS (
    SELECT 1 FROM annotation_slot AS slot
    WHERE slot.instance_id = instance.id AND slot.purpose = 'label'
      AND slot.state IN ('open', 'leased'))
""".replace("@ANSWER", ANSWER)


@transaction.atomic
def settle_instances(instance_ids: Iterable[int], *, judge: int | None = None) -> int:
    """Mark routed instances settled that wait for nobody; returns how many. Two statements.

    Every place for a person is filled, and every criterion that a judge or a program was sent has
    its label. `judge` is the id of the annotator that a judge's label has to be from; None: any.
    Whoever fills a last place at this moment is waited for, so that one of both sees everything.
    """
    ids = sorted(set(instance_ids))
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [ids])
    return settle_locked(ids, judge=judge)


def settle_locked(locked: list[int], *, judge: int | None = None) -> int:
    """`settle_instances` for rows that are locked already. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, {"ids": locked, "judge": judge})
        return int(cursor.rowcount)
