"""Telling that a window has passed 50, 80 or 100 per cent of its limit: once each.

What counts is what the hard stop counts: spent, set aside, unknown and owed. 100 per cent is
reached when the next label like the last one cannot be paid.
"""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import Project
from webhooks.emitting import emit
from webhooks.events import BUDGET

from .models import Alert, Window

RAISE = """
INSERT INTO routing_alert (created_at, window_id, percent)
SELECT clock_timestamp(), w.id, told.percent
FROM routing_window AS w
JOIN routing_allowance AS allowance ON allowance.id = w.allowance_id
JOIN annotation_budget AS budget ON budget.id = w.budget_id
CROSS JOIN LATERAL (
  SELECT budget.settled + budget.reserved + budget.unknown + budget.debt AS amount) AS committed
LEFT JOIN LATERAL (
  SELECT entry.reserved AS price FROM annotation_entry AS entry
  WHERE entry.budget_id = budget.id AND entry.subject NOT LIKE 'purse:%%'
    AND committed.amount * 5 >= budget.limit * 4 AND NOT EXISTS (
      SELECT 1 FROM routing_alert AS known WHERE known.window_id = w.id AND known.percent = 100)
  -- Plus nothing: the window's own entries are sorted, not all entries walked from the end.
  ORDER BY entry.id + 0 DESC LIMIT 1) AS last ON true
CROSS JOIN unnest(ARRAY[50, 80, 100]) AS told(percent)
WHERE allowance.ended_at IS NULL AND budget.limit > 0
  AND w.starts_at <= %(now)s AND (w.ends_at IS NULL OR w.ends_at > %(now)s)
  AND CASE WHEN told.percent < 100 THEN committed.amount * 100 >= budget.limit * told.percent
      ELSE committed.amount + greatest(coalesce(last.price, 1), 1) > budget.limit END
ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True)
class Told:
    """The highest alert of a window that nobody has put away; amounts in millionths."""

    alert: Alert
    window: Window
    committed: int
    limit: int

    @property
    def percent(self) -> int:
        return self.alert.percent


def raise_alerts() -> int:
    """Write the alerts of all current windows that are due, and tell of them; returns how many."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(RAISE, {"now": timezone.now()})
            raised = [row[0] for row in cursor.fetchall()]
        rows = Alert.objects.filter(pk__in=raised)
        for alert in rows.select_related("window__allowance", "window__budget").order_by("pk"):
            _tell(alert)
    return len(raised)


def _tell(alert: Alert) -> None:
    allowance, told = alert.window.allowance, _told(alert)
    data = {
        "allowance": allowance.pk,
        "percent": alert.percent,
        "unit": told.window.budget.unit,
        "committed_millionths": told.committed,
        "limit_millionths": told.limit,
    }
    emit(project_id=allowance.project_id, event=BUDGET, data=data)


def open_alerts(project: Project) -> list[Told]:
    """The highest alert of each current window where it is unseen, worst first. One query."""
    now = timezone.now()
    rows = (
        Alert.objects.filter(
            Q(window__ends_at__isnull=True) | Q(window__ends_at__gt=now),
            window__allowance__project=project,
            window__allowance__ended_at__isnull=True,
        )
        .select_related("window__allowance", "window__budget")
        .order_by("window__allowance", "percent")
    )
    highest = {row.window_id: row for row in rows}
    unseen = [_told(row) for row in highest.values() if row.seen_at is None]
    return sorted(unseen, key=lambda told: -told.percent)


def _told(alert: Alert) -> Told:
    budget = alert.window.budget
    committed = budget.settled + budget.reserved + budget.unknown + budget.debt
    return Told(alert, alert.window, committed, budget.limit)


def put_away(project: Project) -> int:
    """Mark the project's alerts as seen; returns how many. A higher one is told again."""
    rows = Alert.objects.filter(window__allowance__project=project, seen_at__isnull=True)
    return rows.update(seen_at=timezone.now())
