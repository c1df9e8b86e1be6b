"""What work is worth: pure arithmetic in whole millionths of a currency unit."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

HOUR = 3600


@dataclass(frozen=True)
class Terms:
    """A rate as it is applied: `micros` for a label or an hour, from `valid_from` on."""

    key: int
    cohort: str
    basis: str
    micros: int
    currency: str
    most_seconds: int
    valid_from: datetime


def terms_for(terms: Iterable[Terms], cohort: str, at: datetime) -> Terms | None:
    """The newest terms valid at `at`: those of the cohort, else those of everybody."""
    valid = [one for one in terms if one.valid_from <= at and one.cohort in {cohort, ""}]
    return max(valid, key=lambda one: (one.cohort == cohort, one.valid_from), default=None)


def paid_seconds(
    seconds: float | None, *, most: int, began: datetime | None, submitted_at: datetime
) -> float:
    """Seconds of work that count: what the page measured, at most `most`, and never more than
    the instance was in the person's hands, because the page's figure comes from outside.
    """
    held = (submitted_at - began).total_seconds() if began else float(most)
    return max(0.0, min(seconds or 0.0, most, held))


def amount(terms: Terms, seconds: float) -> int:
    """Micros for one submit. By hour, to the millisecond, rounded to the nearest micro.

    >>> from datetime import UTC
    >>> start = datetime(2030, 1, 1, tzinfo=UTC)
    >>> amount(Terms(1, "", "hour", 18_000_000, "EUR", 600, start), 20.0)
    100000
    """
    if terms.basis == "label":
        return terms.micros
    milliseconds = round(seconds * 1000)
    return (terms.micros * milliseconds + HOUR * 500) // (HOUR * 1000)


def decimal(micros: int) -> str:
    """An amount in units with at least two decimals and nothing rounded away.

    >>> decimal(12_340_000), decimal(-500), decimal(0)
    ('12.34', '-0.0005', '0.00')
    """
    exact = Decimal(micros).scaleb(-6)
    return str(exact.quantize(Decimal("0.01")) if micros % 10_000 == 0 else exact.normalize())
