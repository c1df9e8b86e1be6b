"""Giving a project its allowances, changing and ending them."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.judges.models import Judge
from annotation.ledger.models import Budget, Unit
from annotation.ledger.several import quantity
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from .models import Allowance, Period, Spender
from .windows import open_window

# A thousand million of the unit: beyond it millionths do not fit a sum of many.
MOST = 10**15


@transaction.atomic
def create_allowance(
    *,
    project: Project,
    name: str,
    unit: str,
    limit: int,
    period: str = Period.WHOLE,
    spender: str = Spender.ALL,
    judge: Judge | None = None,
    currency: str = "USD",
    by: User | None,
) -> Allowance:
    """An allowance of `limit` millionths of the unit; its first window is open at once.

    What was spent before does not count. A limit of 0 is a budget that pays for nothing.

    Raises:
        InvalidInput: a value is unknown, the name is taken, or the currency is another one than
            that of the project's other allowances.
    """
    name = name.strip()
    _check(project, name, unit, period, spender)
    _check_limit(limit)
    _check_judge(project, judge, spender)
    currency = _currency(project, currency) if unit == Unit.MONEY else ""
    # Two of one name at once: the second waits here and is told.
    Project.objects.select_for_update(no_key=True).only("pk").get(pk=project.pk)
    if Allowance.objects.filter(project=project, name=name, ended_at__isnull=True).exists():
        raise InvalidInput(_("There is a budget of this name: choose another."))
    allowance = Allowance.objects.create(
        project=project,
        name=name,
        unit=unit,
        currency=currency,
        limit=limit,
        period=period,
        spender=spender,
        judge=judge,
        created_by=by,
    )
    open_window(allowance, timezone.now())
    _record("budget created", allowance, by, limit=limit, unit=unit, period=period)
    return allowance


def _check(project: Project, name: str, unit: str, period: str, spender: str) -> None:
    if not name or len(name) > 60 or "\0" in name:
        raise InvalidInput(_("Name the budget, with at most 60 characters."))
    if unit not in Unit.values or period not in Period.values or spender not in Spender.values:
        raise InvalidInput(_("Choose what the budget counts, for whom and for how long."))
    if unit == Unit.MINUTES and spender == Spender.JUDGES:
        raise InvalidInput(_("Judges take no minutes: give them a budget of money or labels."))


def _check_limit(limit: int) -> None:
    if not 0 <= limit <= MOST:
        raise InvalidInput(
            _("The limit is a number between 0 and %(most)s.") % {"most": f"{MOST // 10**6:,}"}
        )


def _check_judge(project: Project, judge: Judge | None, spender: str) -> None:
    if judge is None:
        return
    if spender != Spender.JUDGES:
        raise InvalidInput(_("A budget for one judge is a budget for judges: choose that."))
    if judge.project_id != project.pk:
        raise InvalidInput(_("Choose a judge of this project."))


def _currency(project: Project, currency: str) -> str:
    """One currency for all: prices of labels are in it, and nothing is converted."""
    currency = currency.strip().upper()
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        raise InvalidInput(_("The currency has three letters, like EUR."))
    money = Allowance.objects.filter(project=project, unit=Unit.MONEY, ended_at__isnull=True)
    other = money.exclude(currency=currency).values_list("currency", flat=True).first()
    if other is not None:
        raise InvalidInput(
            _("The project’s other budgets are in %(currency)s: use one currency.")
            % {"currency": other}
        )
    return currency


@transaction.atomic
def change_limit(*, allowance: Allowance, limit: int, version: int, by: User | None) -> Allowance:
    """Set the limit of the current window and of those to come, in millionths of the unit.

    `version` is that of the allowance as whoever changes it has seen it.

    Raises:
        Conflict: somebody has changed or ended it since; `extra` holds `version` and `limit`.
        InvalidInput: less than is spent, set aside and unknown in the current window; `extra`
            holds the `minimum`.
    """
    _check_limit(limit)
    row = _locked(allowance, version)
    window = open_window(row, timezone.now())
    budget = Budget.objects.select_for_update(no_key=True).get(pk=window.budget_id)
    minimum = budget.settled + budget.reserved + budget.unknown
    if limit < minimum:
        words = quantity(minimum, row.unit, row.currency)
        raise InvalidInput(
            _("%(minimum)s are spent or set aside already: the limit must be at least that.")
            % {"minimum": words},
            minimum=minimum,
        )
    before = row.limit
    row.limit, row.version = limit, row.version + 1
    row.save(update_fields=["limit", "version"])
    budget.limit = limit
    budget.save(update_fields=["limit"])
    # What is reached again later is told again.
    window.alerts.filter(percent__gt=100 * minimum / limit if limit else 0).delete()
    _record("budget changed", row, by, before=before, limit=limit)
    return row


@transaction.atomic
def end_allowance(*, allowance: Allowance, version: int, by: User | None) -> Allowance:
    """Let it govern no further label. What is set aside in it is settled or released as ever.

    Raises:
        Conflict: somebody has changed or ended it since.
    """
    row = _locked(allowance, version)
    row.ended_at, row.version = timezone.now(), row.version + 1
    row.save(update_fields=["ended_at", "version"])
    _record("budget ended", row, by)
    return row


def _locked(allowance: Allowance, version: int) -> Allowance:
    row = Allowance.objects.select_for_update(of=("self",), no_key=True).get(pk=allowance.pk)
    if row.ended_at is not None:
        raise Conflict(_("This budget was ended meanwhile."))
    if row.version != version:
        raise Conflict(
            _("Somebody has changed this budget meanwhile: it is %(limit)s now. Look again.")
            % {"limit": quantity(row.limit, row.unit, row.currency)},
            version=row.version,
            limit=row.limit,
        )
    return row


def _record(action: str, allowance: Allowance, by: User | None, **data: object) -> None:
    target = f"allowance:{allowance.pk}"
    record(
        action=action,
        actor=by,
        project=allowance.project,
        target=target,
        name=allowance.name,
        **data,
    )
