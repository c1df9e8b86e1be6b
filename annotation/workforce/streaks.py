"""Days in a row, from the days somebody labelled on. Pure."""

from collections.abc import Set
from datetime import date, timedelta


def streak(days: Set[date], today: date) -> int:
    """How many days in a row up to today; a day that is not over yet breaks nothing.

    >>> streak({date(2030, 1, 1), date(2030, 1, 2)}, date(2030, 1, 3))
    2
    >>> streak({date(2030, 1, 1)}, date(2030, 1, 3))
    0
    """
    day = today if today in days else today - timedelta(days=1)
    length = 0
    while day in days:
        length, day = length + 1, day - timedelta(days=1)
    return length


def monday(today: date) -> date:
    """The first day of the week of `today`."""
    return today - timedelta(days=today.weekday())
