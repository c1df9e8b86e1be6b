"""Counting attempts in the database, so that every web process sees the same number.

Fixed windows: the first attempt opens one, and the count falls back to nothing when it ends. An
attempt is counted before it is tried, so that attempts sent side by side cannot outrun the count.
"""

import hashlib
from datetime import timedelta

from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from core.exceptions import TooManyRequests

from .models import Throttle

_COUNT = """
INSERT INTO accounts_throttle AS row (key, count, ends_at) VALUES (%(key)s, 1, %(ends)s)
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN row.ends_at <= %(now)s THEN 1 ELSE LEAST(row.count + 1, 1000000) END,
  ends_at = CASE WHEN row.ends_at <= %(now)s THEN %(ends)s ELSE row.ends_at END
RETURNING count, ends_at
"""


def attempt(*, what: str, who: str, most: int, within: timedelta) -> None:
    """Count one attempt of `who` (an address, a name) at `what`. One statement.

    Raises:
        TooManyRequests: there were `most` already in this window; `extra` holds `retry_after`
            in seconds.
    """
    count, left = counted(what=what, who=who, within=within)
    if count <= most:
        return
    minutes = max(1, round(left / 60))
    raise TooManyRequests(
        _("Too many attempts. Wait %(minutes)d min and try again.") % {"minutes": minutes},
        retry_after=left,
    )


def counted(*, what: str, who: str, within: timedelta) -> tuple[int, int]:
    """Count one more of `what` by `who`: how many there are in this window, and how many seconds
    are left of it. One statement.
    """
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"key": _key(what, who), "now": now, "ends": now + within})
        count, ends_at = cursor.fetchone()
    return count, max(1, round((ends_at - now).total_seconds()))


def forgive(*, what: str, who: str) -> None:
    """Take one attempt back: it was a good one."""
    Throttle.objects.filter(key=_key(what, who), count__gt=0).update(count=F("count") - 1)


def forget_old() -> int:
    """Remove the counts whose window has ended; returns how many."""
    return Throttle.objects.filter(ends_at__lt=timezone.now()).delete()[0]


def _key(what: str, who: str) -> str:
    return hashlib.sha256(f"{what}\0{who}".encode()).hexdigest()
