"""How long a provider wants to be left alone, by the headers of its reply. Pure."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 60.0
LIMITS = ("requests", "tokens", "input-tokens", "output-tokens")
# OpenAI writes 6m0s, 1.5s and 20ms.
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def waiting_time(headers: Mapping[str, str]) -> float | None:
    """Seconds until it may be asked again, at most a minute; None where no header says so.

    Retry-After comes first; without it, the limits that are used up and when they are full again.
    `headers` have names in lower case, or ignore case.
    """
    told = _milliseconds(headers.get("retry-after-ms", ""))
    if told is None:
        told = retry_after(headers.get("retry-after"))
    if told is None:
        resets = [each for kind in LIMITS if (each := _reset(headers, kind)) is not None]
        told = max(resets, default=None)
    return None if told is None else min(LONGEST_WAIT, max(0.0, told))


def retry_after(header: str | None) -> float | None:
    """Seconds of a Retry-After header (a number or a date), at most a minute; None without one."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = _until(parsedate_to_datetime(header))
        except (TypeError, ValueError):
            return None
    return min(LONGEST_WAIT, max(0.0, seconds)) if math.isfinite(seconds) else None


def _milliseconds(header: str) -> float | None:
    """Of a header of digits; a number that is too long for one is longer than any wait."""
    return float(header) / 1000 if header.isascii() and header.isdigit() else None


def _until(moment: datetime) -> float:
    """Seconds from now; a date without a zone is of UTC."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - datetime.now(UTC)).total_seconds()


def _reset(headers: Mapping[str, str], kind: str) -> float | None:
    """When a used-up limit is full again: OpenAI's and Anthropic's headers."""
    if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
        return _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
    if headers.get(f"anthropic-ratelimit-{kind}-remaining") == "0":
        try:
            return _until(datetime.fromisoformat(headers[f"anthropic-ratelimit-{kind}-reset"]))
        except (KeyError, ValueError):
            return None
    return None


def _duration(text: str) -> float | None:
    """Seconds of `6m0s`, `20ms` or a plain number."""
    parts = DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * SECONDS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        return None
