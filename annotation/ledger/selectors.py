"""What a budget holds."""

from dataclasses import dataclass

from .models import Budget


@dataclass(frozen=True)
class BudgetState:
    """Amounts in micros; `free` is what can still be reserved."""

    limit: int
    settled: int
    reserved: int
    unknown: int
    debt: int
    free: int


def state(budget: Budget) -> BudgetState:
    """The amounts as they stand in the database now."""
    fields = ("limit", "settled", "reserved", "unknown", "debt")
    limit, settled, reserved, unknown, debt = Budget.objects.values_list(*fields).get(pk=budget.pk)
    free = max(0, limit - settled - reserved - unknown - debt)
    return BudgetState(limit, settled, reserved, unknown, debt, free)
