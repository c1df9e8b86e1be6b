"""Purses: the money of one run of a judge, set aside in every window before the run begins.

The run reserves and settles each call in the purse alone, as with any budget. While it is open,
the windows hold all of it; closed, they have paid what it really cost and got back the rest. A
process that dies in between leaves an open purse, which the sweep closes once the run has ended.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.judges.models import Judge, JudgeRun, RunState
from annotation.ledger import several
from annotation.ledger.models import Budget, Unit
from annotation.ledger.services import create_budget
from core.exceptions import InvalidInput
from jobs.models import ACTIVE

from .models import Purse, Spender
from .purchases import Purchase, covers, reserve_purchases
from .windows import active

# A purse that no run was ever started from is given back after this.
UNUSED = timedelta(hours=1)
# Instances × criteria that were asked and may have been paid, however many calls each took.
LABELS = """
SELECT count(DISTINCT (call.instance_id, call.criterion_id))
FROM annotation_entry AS entry
JOIN annotation_judgecall AS call ON call.id = split_part(entry.subject, ':', 2)::bigint
WHERE entry.budget_id = %s AND entry.subject LIKE 'judge-call:%%' AND entry.state <> 'released'
"""


def subject_of(budget_id: int) -> str:
    return f"purse:{budget_id}"


@transaction.atomic
def purse(
    *, project: Project, name: str, amount: int, judge: Judge, labels: int | None = None
) -> Budget:
    """A budget of `amount` micros for one run of the judge, set aside in all windows at once.

    `labels`: how many the run asks for at most; needed where an allowance counts the judge's
    labels. Start the run in the same transaction.

    Raises:
        BudgetExceeded: an allowance has too little left, or none pays for this judge.
        InvalidInput: the name is taken, or labels are counted and their number is not said.
    """
    allowances = [each for each in active(project) if covers(each, _purchase("", amount, 0, judge))]
    if labels is None and any(each.unit == Unit.LABELS for each in allowances):
        raise InvalidInput(_("A budget counts labels of this judge: say how many it will give."))
    currency = next((each.currency for each in allowances if each.unit == Unit.MONEY), "USD")
    budget = create_budget(project=project, name=name, limit_micros=amount, currency=currency)
    bought = _purchase(subject_of(budget.pk), amount, labels or 0, judge)
    reserve_purchases(project=project, purchases=[bought])
    Purse.objects.create(budget=budget, judge=judge)
    return budget


def _purchase(subject: str, money: int, labels: int, judge: Judge) -> Purchase:
    return Purchase(
        subject, Spender.JUDGES, money, labels=labels * several.MICROS, judge_id=judge.pk
    )


@transaction.atomic
def close_purse(budget: Budget) -> None:
    """Charge the windows with what the run cost and give them back the rest; again changes nothing.

    Calls whose outcome nobody knows, or that are still out, count as paid: they stay charged.
    """
    rows = Purse.objects.select_for_update(no_key=True)
    row = rows.filter(budget=budget, closed_at__isnull=True).first()
    if row is None:
        return
    held = Budget.objects.select_for_update(no_key=True).get(pk=budget.pk)
    committed = held.settled + held.reserved + held.unknown
    prices = {Unit.MONEY.value: committed + held.debt, Unit.LABELS.value: _labels(held)}
    several.settle(project_id=held.project_id, subject=subject_of(held.pk), prices=prices)
    # Nothing more can be bought out of it: the windows have their money back.
    held.limit = committed
    held.save(update_fields=["limit"])
    row.closed_at = timezone.now()
    row.save(update_fields=["closed_at"])


def _labels(budget: Budget) -> int:
    with connection.cursor() as cursor:
        cursor.execute(LABELS, [budget.pk])
        return int(cursor.fetchone()[0]) * several.MICROS


def close_ended() -> int:
    """Close the purses whose run has ended or never began; returns how many."""
    runs = JudgeRun.objects.filter(budget=OuterRef("budget"))
    going = runs.filter(state__in=[RunState.WAITING, RunState.RUNNING], job__state__in=ACTIVE)
    ended = Purse.objects.filter(~Exists(going), closed_at__isnull=True)
    began = Exists(runs)
    unused = Q(created_at__lt=timezone.now() - UNUSED, budget__reserved=0)
    rows = list(ended.filter(began | unused).select_related("budget"))
    for row in rows:
        close_purse(row.budget)
    return len(rows)
