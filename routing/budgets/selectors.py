"""What a project has spent under its allowances, and how long they will last."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.ledger.models import Budget, Unit
from core.exceptions import NotFound

from .forecasting import Forecast, Spent, forecast
from .models import Allowance, Window
from .purchases import Left, left_in
from .windows import current_windows

# How far back the forecast looks.
LOOK_BACK = timedelta(days=14)
SHOWN_DAYS = 30
BY_DAY = """
SELECT w.allowance_id, (entry.settled_at AT TIME ZONE 'UTC')::date AS day,
       sum(entry.settled + entry.debt), count(*)
FROM routing_window AS w JOIN annotation_entry AS entry ON entry.budget_id = w.budget_id
WHERE w.allowance_id = ANY(%s) AND entry.state = 'settled' AND entry.settled_at >= %s
GROUP BY 1, 2 ORDER BY 1, 2
"""
# A label stands in every window it fell under, at one price: it is counted once.
SPENT = """
WITH paid AS (
  SELECT entry.subject, max(entry.settled_at) AS settled_at,
         max(entry.annotator_id) AS annotator_id, max(entry.settled + entry.debt) AS amount,
         CASE WHEN entry.subject ~ '^slot:[0-9a-f-]{36}$'
              THEN substr(entry.subject, 6)::uuid END AS slot
  FROM routing_window AS w
  JOIN routing_allowance AS allowance ON allowance.id = w.allowance_id
  JOIN annotation_entry AS entry ON entry.budget_id = w.budget_id
  WHERE allowance.project_id = %s AND allowance.unit = %s AND entry.state = 'settled'
    AND entry.settled_at >= %s
  GROUP BY entry.subject
)
SELECT (paid.settled_at AT TIME ZONE 'UTC')::date,
       CASE WHEN judge.id IS NOT NULL OR paid.subject LIKE 'purse:%%' THEN 'judges'
            WHEN cardinality(pool.requires) > 0 THEN 'expert' ELSE 'regular' END,
       coalesce(judge.name, ''), sum(paid.amount), count(*)
FROM paid
LEFT JOIN annotation_annotator AS annotator ON annotator.id = paid.annotator_id
LEFT JOIN annotation_judge AS judge ON judge.id = annotator.judge_id
LEFT JOIN annotation_slot AS slot ON slot.key = paid.slot
LEFT JOIN annotation_pool AS pool ON pool.id = slot.pool_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@dataclass(frozen=True)
class Spending:
    """What was settled on one day (UTC) for one kind of labels; `judge`: its name, else blank."""

    day: date
    spender: str
    judge: str
    amount: int
    purchases: int


@dataclass(frozen=True)
class Outline:
    """An allowance as it stands: its window, what is left, and until when."""

    allowance: Allowance
    window: Window
    left: Left
    forecast: Forecast

    @property
    def least(self) -> int:
        """What the limit must be at least: what is spent, set aside and unknown."""
        budget = self.window.budget
        return budget.settled + budget.reserved + budget.unknown


def spent(project: Project, unit: str) -> list[Spending]:
    """What was settled under allowances of the unit in the last 30 days, by day. One query."""
    since = _midnight(timezone.now()) - timedelta(days=SHOWN_DAYS - 1)
    with connection.cursor() as cursor:
        cursor.execute(SPENT, [project.pk, unit, since])
        return [
            Spending(day, spender, judge, int(amount), int(purchases))
            for day, spender, judge, amount, purchases in cursor.fetchall()
        ]


def main_unit(allowances: Sequence[Allowance]) -> str:
    """What spending is shown in: money where there is any."""
    units = {each.unit for each in allowances}
    return next((unit for unit in (Unit.MONEY, Unit.LABELS) if unit in units), Unit.MINUTES)


def outlines(project: Project) -> list[Outline]:
    """Every allowance that counts now. A constant number of queries."""
    windows, now = current_windows(project), timezone.now()
    spending = _recent([window.allowance_id for window in windows], now)
    return [
        Outline(window.allowance, window, left_in(window), _forecast(window, spending, now))
        for window in windows
    ]


def allowance_in(project: Project, allowance_id: int) -> Allowance:
    """One allowance of the project, also one that was ended.

    Raises:
        NotFound: there is no such allowance in this project.
    """
    found = Allowance.objects.filter(project=project, pk=allowance_id).first()
    if found is None:
        raise NotFound(_("There is no such budget in this project."))
    return found


def outline_in(project: Project, allowance_id: int) -> Outline:
    """One allowance that counts now.

    Raises:
        NotFound: there is none of that number, or it was ended.
    """
    found = next((row for row in outlines(project) if row.allowance.pk == allowance_id), None)
    if found is None:
        raise NotFound(_("There is no such budget in this project."))
    return found


def payable(project: Project) -> QuerySet[Budget]:
    """The project's budgets, newest round first; `left` can still be set aside.

    Without the windows of allowances and the purses paid out of them: nobody picks those by hand.
    """
    left = F("limit") - F("settled") - F("reserved") - F("unknown") - F("debt")
    rows = Budget.objects.filter(project=project, allowance_window__isnull=True, purse__isnull=True)
    return rows.annotate(left=left).order_by("-pk")


def forecast_of(window: Window) -> Forecast:
    """When the window's budget will be used up, from the last 14 days of its allowance."""
    now = timezone.now()
    return _forecast(window, _recent([window.allowance_id], now), now)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


Days = dict[date, tuple[int, int]]


def _recent(allowances: Sequence[int], now: datetime) -> dict[int, Days]:
    """By allowance: by day, what was settled and in how many purchases."""
    found: dict[int, Days] = defaultdict(dict)
    since = _midnight(now - LOOK_BACK)
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY, [list(allowances), since])
        for allowance, day, amount, purchases in cursor.fetchall():
            found[allowance][day] = (int(amount), int(purchases))
    return found


def _forecast(window: Window, spending: dict[int, Days], now: datetime) -> Forecast:
    budget = window.budget
    left = budget.limit - budget.settled - budget.unknown - budget.debt
    return forecast(_spent(spending.get(window.allowance_id, {}), now), left, now, window.ends_at)


def _spent(days: Days, now: datetime) -> Spent:
    """From the first day with spending on: what lies before says nothing about the rate."""
    today = now.date()
    first = min(days, default=today)
    whole = [first + timedelta(days=n) for n in range((today - first).days)]
    passed = (now - _midnight(now)) / timedelta(days=1)
    return Spent(
        days=[days.get(day, (0, 0))[0] for day in whole],
        today=days.get(today, (0, 0))[0],
        # An hour at least: the first purchase of a day is no rate of thousands a day.
        passed=max(passed, 1 / 24) if today in days or whole else 0.0,
        purchases=sum(count for _, count in days.values()),
    )
