"""Reads about the frontier: the sheet of the router in use, and the terms of an allowance."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.ledger.models import Unit
from core.exceptions import NotFound
from routing.budgets.models import Allowance, Spender, Window
from routing.decisions.models import Router
from routing.decisions.selectors import latest_router
from routing.live.models import LiveRouting

from .labelled import candidates
from .plan import Plan, Spending, Terms, first_limit, plan, spending
from .sheet import Sheet, load

MICROS = 1_000_000
# What reading a damaged archive, or one with other parts, raises.
UNREADABLE = (ValueError, KeyError, TypeError, IndexError, EOFError, BadZipFile, zlib.error)
# Those that pay for people's labels.
PAYERS = (Spender.ALL, Spender.PEOPLE, Spender.REGULAR)


def router_in_use(project: Project) -> Router | None:
    """The router of live routing, else the newest."""
    live = LiveRouting.objects.filter(project=project).select_related("router__judge").first()
    return live.router if live and live.router else latest_router(project)


def sheet_path(router: Router) -> Path:
    return Path(settings.MEDIA_ROOT) / "frontier" / str(router.project_id) / f"{router.pk}.npz"


def sheet_of(router: Router) -> Sheet | None:
    """The prepared numbers of a router, None before the first time. No query.

    A file that is damaged or of another release is as none: the page offers to prepare it anew.
    """
    path = sheet_path(router)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, *UNREADABLE):
        return None


@lru_cache(maxsize=4)
def _read(path: Path, written: int) -> Sheet:
    """`written` makes a newer file another entry."""
    return load(path)


@dataclass(frozen=True)
class Payer:
    """An allowance that can pay for people, with what is gone of its current window."""

    allowance: Allowance
    taken: int


def payers_of(project: Project) -> list[Payer]:
    """The running allowances that pay for people's labels. Two queries."""
    allowances = list(
        Allowance.objects.filter(
            project=project, ended_at__isnull=True, spender__in=PAYERS
        ).order_by("name", "pk")
    )
    now = timezone.now()
    windows = Window.objects.filter(allowance__in=allowances, starts_at__lte=now).select_related(
        "budget"
    )
    taken = {
        window.allowance_id: window.budget.settled + window.budget.reserved + window.budget.unknown
        for window in windows.order_by("starts_at")
        if window.ends_at is None or window.ends_at > now
    }
    return [Payer(each, taken.get(each.pk, 0)) for each in allowances]


def spending_of(sheet: Sheet, payer: Payer | None, live: LiveRouting | None) -> Spending:
    """What each number of instances to people needs of an allowance; without one, of money."""
    if payer is None:
        return spending(sheet, Terms())
    allowance = payer.allowance
    seconds = (live or LiveRouting()).seconds_per_label
    per_label = {
        Unit.MONEY: None,
        Unit.LABELS: MICROS,
        Unit.MINUTES: round(seconds * MICROS / 60),
    }[Unit(allowance.unit)]
    judged = 0
    if allowance.spender == Spender.ALL:
        judge = int(sheet.facts["judge_price"])
        judged = {Unit.MONEY: judge, Unit.LABELS: MICROS, Unit.MINUTES: 0}[Unit(allowance.unit)]
    return spending(sheet, Terms(payer.taken, per_label, judged))


def payer_in(payers: Sequence[Payer], allowance_id: int) -> Payer:
    """The payer of that allowance.

    Raises:
        NotFound: no allowance of this project that pays for people has that number.
    """
    found = next((payer for payer in payers if payer.allowance.pk == allowance_id), None)
    if found is None:
        raise NotFound(_("There is no such budget in this project."))
    return found


@dataclass(frozen=True, eq=False)
class Look:
    """The frontier under one limit: what it buys beside the saved one."""

    sheet: Sheet
    payer: Payer | None
    money: Spending
    plan: Plan
    saved: Plan | None


def look(project: Project, allowance: int | None = None, limit: int | None = None) -> Look:
    """What a limit (millionths) of an allowance buys; without them the first one, and its limit.

    Raises:
        NotFound: no such allowance, or the frontier was not prepared yet.
    """
    router = router_in_use(project)
    sheet = sheet_of(router) if router else None
    if sheet is None:
        raise NotFound(_("The frontier was not prepared yet."))
    payers = payers_of(project)
    payer = next(iter(payers), None) if allowance is None else payer_in(payers, allowance)
    money = spending_of(sheet, payer, LiveRouting.objects.filter(project=project).first())
    saved = payer.allowance.limit if payer else None
    wanted = first_limit(money, saved) if limit is None else limit
    before = None if saved is None else plan(sheet, money, saved)
    return Look(sheet, payer, money, plan(sheet, money, wanted), before)


def arrived_since(project: Project, sheet: Sheet) -> int:
    """Open instances that came after the sheet was prepared. One or two queries."""
    _, instances = candidates(project)
    return instances.filter(pk__gt=sheet.facts["newest"]).count()
