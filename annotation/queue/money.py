"""Money set aside for the places of people: `slot:<key>` in the ledger."""

import uuid
from collections import defaultdict
from collections.abc import Iterable

from annotation.ledger.models import Entry, EntryState
from annotation.ledger.services import OPEN, release_many, reserve

from .models import Slot


def subject_of(key: uuid.UUID) -> str:
    return f"slot:{key}"


def reserve_like(slot: Slot, siblings: Iterable[uuid.UUID]) -> None:
    """Set aside for the slot what was set aside for its siblings, in the same budget.

    Nothing is done where nothing was set aside for them: no budget governs these labels.

    Raises:
        BudgetExceeded: the budget has less than that left.
    """
    subjects = [subject_of(key) for key in siblings]
    entry = (
        Entry.objects.filter(budget__project=slot.project_id, subject__in=subjects)
        .exclude(state=EntryState.RELEASED)
        .select_related("budget")
        .order_by("-pk")
        .first()
    )
    if entry is not None:
        reserve(budget=entry.budget, subject=subject_of(slot.key), amount=entry.reserved)


def free_money(project_id: int, keys: Iterable[uuid.UUID]) -> None:
    """Give back what is set aside for slots that will not be filled."""
    entries = Entry.objects.filter(
        budget__project=project_id, subject__in=[subject_of(key) for key in keys], state__in=OPEN
    ).select_related("budget")
    by_budget = defaultdict(list)
    for entry in entries.order_by("budget"):
        by_budget[entry.budget].append(entry.subject)
    for budget, subjects in by_budget.items():
        release_many(budget=budget, subjects=subjects)
