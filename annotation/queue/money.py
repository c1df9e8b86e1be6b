"""Money, labels and minutes set aside for the places of people: `slot:<key>` in the ledger."""

import uuid
from collections.abc import Iterable

from annotation.ledger import several
from annotation.ledger.models import Entry, EntryState
from annotation.ledger.renewal import renewed
from annotation.ledger.several import Hold

from .models import Slot


def subject_of(key: uuid.UUID) -> str:
    return f"slot:{key}"


def reserve_like(slot: Slot, siblings: Iterable[uuid.UUID]) -> None:
    """Set aside for the slot what was set aside for its siblings, in every budget that held it.

    Where a budget's period is over, in the one that took its place. Nothing is done where nothing
    was set aside for them: no budget governs these labels.

    Raises:
        BudgetExceeded: a budget has less than that left.
    """
    entries = Entry.objects.filter(
        budget__project=slot.project_id, subject__in=[subject_of(key) for key in siblings]
    ).exclude(state=EntryState.RELEASED)
    last = dict(entries.order_by("pk").values_list("budget_id", "reserved"))
    if last:
        like = [Hold(budget, subject_of(slot.key), amount) for budget, amount in last.items()]
        several.hold(renewed(slot.project_id, bool(slot.pool and slot.pool.requires), like))


def free_money(project_id: int, keys: Iterable[uuid.UUID]) -> None:
    """Give back what is set aside for slots that will not be filled, in every budget."""
    several.give_back(project_id=project_id, subjects=[subject_of(key) for key in keys])
