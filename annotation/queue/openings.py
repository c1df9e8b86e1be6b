"""What opens out of turn, and how a cursor hears of it.

An annotator's cursor says: before here nothing is for you. Whatever opens a slot notes the place
in the same transaction. `Protocol.queue_epoch` counts the notes and its row is locked meanwhile,
so that their order is the order of the commits: who has read an epoch has missed nothing of it.
Take that lock last, before a budget's: annotator, slot, instance, protocol, budget.
"""

from collections.abc import Iterable

from django.db import connection
from django.db.models import Count, Max, Min

from annotation.labels.models import Annotator

from .models import Opening

# (-priority, slot): where a walk goes on. A slot's place is behind that of all it comes after.
Place = tuple[float, int]
FRONT: Place = (float("-inf"), 0)
KEPT = 1000

NOTE = """
WITH counted AS (
  UPDATE annotation_protocol SET queue_epoch = queue_epoch + 1
  WHERE project_id = %(project)s RETURNING queue_epoch)
INSERT INTO annotation_opening (project_id, epoch, priority, slot_id)
SELECT %(project)s, counted.queue_epoch, place.priority, place.slot_id
FROM counted, ({place}) AS place
"""
AT = NOTE.format(place="SELECT %(priority)s::float8 AS priority, %(slot)s::bigint AS slot_id")
# For an annotator who gave one place back, all places of the instance are open again.
OF = NOTE.format(
    place="""
  SELECT max(priority) AS priority, min(id) AS slot_id FROM annotation_slot
  WHERE instance_id = ANY(%(instances)s)"""
)


def note_opening(project_id: int, *, priority: float, slot_id: int) -> None:
    """Slots opened at this place or behind it. Call in the transaction that opens them."""
    with connection.cursor() as cursor:
        cursor.execute(AT, {"project": project_id, "priority": priority, "slot": slot_id})


def note_openings(project_id: int, instances: Iterable[int]) -> None:
    """Slots of these instances opened; there is at least one. As `note_opening`."""
    with connection.cursor() as cursor:
        cursor.execute(OF, {"project": project_id, "instances": sorted(set(instances))})


def start_of(annotator: Annotator, epoch: int) -> Place:
    """Where the annotator's walk goes on: at their cursor, or further in front if slots opened.

    A cursor whose epoch lies further back than notes are kept is void.
    """
    if annotator.queue_priority is None or annotator.queue_slot is None:
        return FRONT
    cursor = (-annotator.queue_priority, annotator.queue_slot)
    missed = epoch - annotator.queue_epoch
    if missed <= 0:
        return cursor
    since = Opening.objects.filter(
        project=annotator.project_id, epoch__gt=annotator.queue_epoch, epoch__lte=epoch
    ).aggregate(notes=Count("pk"), priority=Max("priority"), slot=Min("slot_id"))
    if since["notes"] != missed:
        return FRONT
    return min(cursor, (-since["priority"], since["slot"] - 1))


def trim_openings() -> int:
    """Forget all but the last thousand notes of every project; returns how many."""
    last = Opening.objects.order_by().values_list("project").annotate(last=Max("epoch"))
    return sum(
        Opening.objects.filter(project=project, epoch__lte=epoch - KEPT).delete()[0]
        for project, epoch in last
    )
