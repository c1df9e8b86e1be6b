"""Buying labels under a project's allowances: in every window they fall under, or not at all.

| what is bought              | falls under the allowances of                          |
|-----------------------------|--------------------------------------------------------|
| a slot of anybody           | all, people, regular                                   |
| a slot that asks experts    | all, people, expert                                    |
| a judge's label             | all, judges, that judge; never one of minutes          |
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.labels.models import Annotator
from annotation.ledger import several
from annotation.ledger.models import Budget, Unit
from annotation.ledger.several import MICROS, Hold, quantity
from core.exceptions import BudgetExceeded

from .models import Allowance, Spender, Window
from .windows import current_windows

ONE = MICROS
FALLS_UNDER = {
    Spender.REGULAR: {Spender.ALL, Spender.PEOPLE, Spender.REGULAR},
    Spender.EXPERT: {Spender.ALL, Spender.PEOPLE, Spender.EXPERT},
    Spender.JUDGES: {Spender.ALL, Spender.JUDGES},
}


@dataclass(frozen=True)
class Purchase:
    """One label to buy. Amounts in millionths of the currency, of a label, of a minute.

    `spender`: `regular`, `expert` (a slot whose pool asks for a qualification) or `judges`.
    """

    subject: str
    spender: str
    money: int
    labels: int = ONE
    minutes: int = 0
    judge_id: int | None = None

    def amount(self, unit: str) -> int:
        if unit == Unit.MONEY:
            return self.money
        return self.labels if unit == Unit.LABELS else self.minutes


@dataclass(frozen=True)
class Left:
    """What one window still has, in millionths of its unit."""

    window: Window
    limit: int
    committed: int
    free: int

    @property
    def allowance(self) -> Allowance:
        return self.window.allowance


def covers(allowance: Allowance, purchase: Purchase) -> bool:
    """Whether the purchase falls under the allowance."""
    if allowance.spender not in FALLS_UNDER[Spender(purchase.spender)]:
        return False
    if purchase.spender == Spender.JUDGES and allowance.unit == Unit.MINUTES:
        return False
    return allowance.judge_id is None or allowance.judge_id == purchase.judge_id


@transaction.atomic
def reserve_purchases(*, project: Project, purchases: Sequence[Purchase]) -> None:
    """Set all of these aside in every window that each falls under, or none of them.

    Raises:
        BudgetExceeded: an allowance has too little left, or a purchase falls under none; `extra`
            holds `allowance` (id), `missing` and `minimum` (what its limit must be at least).
        Conflict: something is set aside for one of the subjects already.
    """
    if not purchases:
        return
    windows = current_windows(project)
    holds = _holds(windows, purchases)
    try:
        several.hold(holds)
    except BudgetExceeded as error:
        raise _named(error, windows) from error


def _holds(windows: Sequence[Window], purchases: Sequence[Purchase]) -> list[Hold]:
    """What is to be held for each purchase, in every window.

    Raises:
        BudgetExceeded: a purchase falls under no allowance.
    """
    annotators = _annotators(purchases)
    kinds: dict[tuple[str, int | None], list[Window]] = {}
    holds = []
    for each in purchases:
        kind = (each.spender, each.judge_id)
        if kind not in kinds:
            kinds[kind] = [window for window in windows if covers(window.allowance, each)]
        if not kinds[kind]:
            raise BudgetExceeded(_unpaid(each))
        by = annotators.get(each.judge_id) if each.judge_id is not None else None
        holds += [
            Hold(window.budget_id, each.subject, each.amount(window.allowance.unit), by)
            for window in kinds[kind]
        ]
    return holds


def _annotators(purchases: Iterable[Purchase]) -> dict[int, int]:
    judges = {each.judge_id for each in purchases if each.judge_id is not None}
    if not judges:
        return {}
    rows = Annotator.objects.filter(judge__in=judges).values_list("judge_id", "pk")
    return {judge: pk for judge, pk in rows if judge is not None}


def _unpaid(purchase: Purchase) -> str:
    if purchase.spender == Spender.JUDGES:
        return _("No budget pays for this judge: give the project a budget first.")
    if purchase.spender == Spender.EXPERT:
        return _("No budget pays for labels of experts: give the project a budget first.")
    return _("No budget pays for people’s labels: give the project a budget first.")


def _named(error: BudgetExceeded, windows: Sequence[Window]) -> BudgetExceeded:
    """The ledger's refusal in the words of allowances."""
    by_budget = {window.budget_id: window.allowance for window in windows}
    allowance = by_budget[error.extra["budget"]]
    missing, minimum = error.extra["missing"], error.extra["minimum"]
    words = {
        "name": allowance.name,
        "missing": quantity(missing, allowance.unit, allowance.currency),
        "minimum": quantity(minimum, allowance.unit, allowance.currency),
    }
    return BudgetExceeded(
        _("The budget “%(name)s” lacks %(missing)s for this: it takes a limit of %(minimum)s.")
        % words,
        allowance=allowance.pk,
        missing=missing,
        minimum=minimum,
    )


def affordable(project: Project, purchases: Sequence[Purchase]) -> int:
    """How many of the first of these fit now; those that follow the first that does not, do not.

    A constant number of queries; nothing is set aside.
    """
    left = {each.window.budget_id: each for each in free(project)}
    windows = [each.window for each in left.values()]
    taken: dict[int, int] = defaultdict(int)
    for count, each in enumerate(purchases):
        under = [window for window in windows if covers(window.allowance, each)]
        for window in under:
            taken[window.budget_id] += each.amount(window.allowance.unit)
        if not under or any(taken[w.budget_id] > left[w.budget_id].free for w in under):
            return count
    return len(purchases)


def free(project: Project) -> list[Left]:
    """What each allowance has left in its current window. A constant number of queries."""
    return [left_in(window) for window in current_windows(project)]


def left_in(window: Window) -> Left:
    """What the window had left when its budget was read."""
    budget = window.budget
    committed = budget.settled + budget.reserved + budget.unknown + budget.debt
    return Left(window, budget.limit, committed, max(0, budget.limit - committed))


def release_purchases(*, project: Project, subjects: Sequence[str]) -> int:
    """Give back what is set aside for the subjects, in every window; returns how many entries.

    In one transaction with `reserve_purchases`, call this first: see `annotation.ledger.several`.
    """
    return several.give_back(project_id=project.pk, subjects=subjects)


def renew(project_id: int, expert: bool, holds: Sequence[Hold]) -> list[Hold]:
    """Holds like those of an earlier label, in the windows that a label falls under now."""
    of_windows = Budget.objects.filter(
        pk__in=[each.budget_id for each in holds], allowance_window__isnull=False
    )
    units = dict(of_windows.values_list("pk", "unit"))
    if not units:
        return list(holds)
    amounts = {units[each.budget_id]: each.amount for each in holds if each.budget_id in units}
    purchase = Purchase(
        subject=holds[0].subject,
        spender=Spender.EXPERT if expert else Spender.REGULAR,
        money=amounts.get(Unit.MONEY, 0),
        minutes=amounts.get(Unit.MINUTES, 0),
    )
    windows = current_windows(Project(pk=project_id))
    others = [each for each in holds if each.budget_id not in units]
    return others + _holds(windows, [purchase])
