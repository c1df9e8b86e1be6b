"""A project with allowances, and purchases under them."""

from typing import Any

from accounts.models import Project
from annotation.judges.models import Judge
from annotation.judges.services import create_judge
from annotation.ledger.selectors import BudgetState, state
from routing.budgets.models import Allowance
from routing.budgets.purchases import Purchase
from routing.budgets.services import create_allowance
from routing.budgets.windows import current_windows

ONE = 1_000_000


def allow(project: Project, name: str, limit: float, **values: Any) -> Allowance:
    """An allowance of `limit` whole units; of money for everything unless told otherwise."""
    fields = {"unit": "money", "period": "whole", "spender": "all"} | values
    return create_allowance(project=project, name=name, limit=round(limit * ONE), by=None, **fields)


def buy(subject: str, price: float = 1, spender: str = "regular", **values: Any) -> Purchase:
    return Purchase(f"slot:{subject}", spender, round(price * ONE), **values)


def states(project: Project) -> dict[str, BudgetState]:
    """What each allowance's current window holds, by name."""
    return {row.allowance.name: state(row.budget) for row in current_windows(project)}


def free_judge(project: Project, name: str = "judge") -> Judge:
    return create_judge(project=project, name=name, provider="recorded", model="recorded")
