"""Filling open slots with labels that came another way than through the queue."""

from collections import defaultdict
from collections.abc import Sequence

from annotation.labels.models import Annotation

from .models import Slot, SlotState
from .money import free_money
from .purposes import Purpose


def fill_open_slots(rows: Sequence[Annotation]) -> list[Slot]:
    """Give each unsaved annotation an open slot of its instance, as far as there are any.

    A second label of the same annotator on an instance gets none. What was set aside for a filled
    slot is given back: its label was not bought. Call inside a transaction.
    """
    open_slots: dict[int, list[Slot]] = defaultdict(list)
    instances = {row.instance_id for row in rows}
    slots = Slot.objects.filter(
        instance__in=instances, purpose=Purpose.LABEL, state=SlotState.OPEN
    ).order_by("instance_id", "-ordinal")
    for slot in slots.select_for_update(skip_locked=True):
        open_slots[slot.instance_id].append(slot)
    if not open_slots:
        return []
    seated = set(
        Slot.objects.filter(
            instance__in=instances, annotator__in={row.annotator_id for row in rows}
        ).values_list("instance_id", "annotator_id")
    )
    filled = []
    for row in rows:
        seat = (row.instance_id, row.annotator_id)
        if seat in seated or not open_slots[row.instance_id]:
            continue
        seated.add(seat)
        slot = open_slots[row.instance_id].pop()
        slot.annotator_id, slot.state, slot.shown_order = (
            row.annotator_id,
            SlotState.SUBMITTED,
            row.shown_order,
        )
        row.slot = slot
        row.decision_id = row.decision_id or slot.decision_id
        filled.append(slot)
    Slot.objects.bulk_update(filled, ["annotator", "state", "shown_order"], batch_size=1000)
    if filled:
        free_money(filled[0].project_id, [slot.key for slot in filled])
    return filled
