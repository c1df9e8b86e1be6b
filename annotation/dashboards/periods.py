"""The time a dashboard looks at, and the buckets it counts in. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Unit = Literal["hour", "day", "week"]


@dataclass(frozen=True)
class Period:
    """From `start` to `end` (UTC) in buckets of `unit`."""

    key: str
    start: datetime
    end: datetime
    unit: Unit

    def buckets(self) -> list[datetime]:
        """The start of every bucket, empty ones included."""
        step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
        found, at = [], bucket_of(self.start, self.unit)
        while at < self.end:
            found.append(at)
            at += step[self.unit]
        return found


SPANS: dict[str, tuple[timedelta, Unit]] = {
    "day": (timedelta(days=1), "hour"),
    "week": (timedelta(days=7), "day"),
    "month": (timedelta(days=30), "day"),
    "quarter": (timedelta(days=91), "week"),
}
DEFAULT = "month"


def period_of(key: str, now: datetime) -> Period:
    """The period of that name that ends now; an unknown name gives the default.

    It begins with a whole bucket, so that the first bar is no shorter than it was.
    """
    key = key if key in SPANS else DEFAULT
    span, unit = SPANS[key]
    return Period(key, bucket_of(now - span, unit), now, unit)


def bucket_of(at: datetime, unit: Unit) -> datetime:
    """The start of the hour, day or week (Monday) that `at` is in."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if unit == "day" else day - timedelta(days=day.weekday())
