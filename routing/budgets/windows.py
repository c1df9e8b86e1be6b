"""The periods of allowances. Days begin at 00:00 UTC, weeks on Monday, months on the first."""

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project
from annotation.ledger.services import create_budget

from .models import Allowance, Period, Window


def bounds(period: str, now: datetime) -> tuple[datetime, datetime | None]:
    """When the period around `now` begins and ends; `whole` began always, and never ends."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == Period.DAY:
        return day, day + timedelta(days=1)
    if period == Period.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    if period == Period.MONTH:
        first = day.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)
    return datetime(1970, 1, 1, tzinfo=UTC), None


def active(project: Project) -> list[Allowance]:
    """The allowances that count, in the order in which they were made. One query."""
    rows = Allowance.objects.filter(project=project, ended_at__isnull=True)
    return list(rows.select_related("judge").order_by("pk"))


def current_windows(project: Project) -> list[Window]:
    """The window of each allowance that counts now; one is opened where its period has turned.

    Two queries where none has. Each window comes with its allowance and its budget.
    """
    allowances, now = active(project), timezone.now()
    rows = Window.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=now),
        allowance__in=[each.pk for each in allowances],
        starts_at__lte=now,
    ).select_related("budget")
    found = {row.allowance_id: row for row in rows} if allowances else {}
    windows = []
    for allowance in allowances:
        window = found.get(allowance.pk) or open_window(allowance, now)
        window.allowance = allowance
        windows.append(window)
    return windows


@transaction.atomic
def open_window(allowance: Allowance, now: datetime) -> Window:
    """The window around `now`; of two who open it at once, the second finds the first one's."""
    # The project's row stays free: whoever adds a budget to it looks at it when they commit.
    rows = Allowance.objects.select_for_update(of=("self",), no_key=True)
    locked = rows.select_related("project").get(pk=allowance.pk)
    starts, ends = bounds(locked.period, now)
    there = Window.objects.filter(allowance=locked, starts_at=starts).select_related("budget")
    if (known := there.first()) is not None:
        return known
    budget = create_budget(
        project=locked.project,
        name=f"{locked.name} · {locked.pk}" + (f" · {starts:%Y-%m-%d}" if ends else ""),
        limit_micros=locked.limit,
        currency=locked.currency,
        unit=locked.unit,
    )
    return Window.objects.create(allowance=locked, budget=budget, starts_at=starts, ends_at=ends)
