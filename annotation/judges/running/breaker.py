"""Not asking an endpoint that is down, and not asking for ever. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

from annotation.judges.stops import REFUSED, SILENT

Clock = Callable[[], float]
# In a row; alone they are accidents.
TROUBLES = 10
REFUSALS = 10


class Breaker:
    """Closed; open after `TROUBLES` failures in a row; then one probe at a time.

    Every failed probe doubles the rest, up to `longest` seconds. `gave_up` says why it is over:
    no answer for `patience` seconds, or `REFUSALS` refusals in a row, which no waiting mends.
    """

    def __init__(
        self,
        *,
        rest: float = 2.0,
        longest: float = 60.0,
        patience: float = 900.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._first_rest = rest
        self._longest = longest
        self._patience = patience
        self._clock = clock
        self._troubles = 0
        self._refusals = 0
        self._rest = rest
        self._opened_at = 0.0
        self._retry_at = 0.0
        self._probing = False
        self._last = ""

    @property
    def is_open(self) -> bool:
        return self._troubles >= TROUBLES

    def wait(self) -> float:
        """Seconds until a probe may be sent; 0 when closed or when one may go now."""
        return max(0.0, self._retry_at - self._clock()) if self.is_open else 0.0

    def allows(self, count: int) -> int:
        """How many of `count` calls may be sent now; one when half open."""
        if not self.is_open:
            return count
        if self._probing or self.wait() > 0:
            return 0
        return min(1, count)

    def sent(self) -> None:
        """A call went out: while open, it is the probe."""
        self._probing = self.is_open

    def answered(self) -> None:
        """The endpoint does its work."""
        self._troubles = self._refusals = 0
        self._rest = self._first_rest
        self._probing = False

    def told_to_wait(self) -> None:
        """It is there and busy: no failure, and no proof of health either."""
        self._probing = False

    def refused(self, reason: str) -> None:
        """It answers, and will not do this one whatever we wait."""
        self._troubles = 0
        self._probing = False
        self._refusals += 1
        self._last = reason

    def failed(self, reason: str) -> None:
        """No answer, or one that says the endpoint is in trouble."""
        was_open, self._last = self.is_open, reason
        self._troubles += 1
        if not self.is_open:
            return
        now = self._clock()
        if not was_open:
            self._opened_at = now
        elif self._probing:
            self._rest = min(self._longest, 2 * self._rest)
        else:
            return  # one that was in flight when it opened
        self._probing = False
        self._retry_at = now + self._rest

    def gave_up(self) -> str:
        """Why there is no point in going on; blank while there is."""
        if self._refusals >= REFUSALS:
            return REFUSED % {"calls": self._refusals, "error": self._last}
        if self.is_open and self._clock() - self._opened_at >= self._patience:
            return SILENT % {"seconds": round(self._patience), "error": self._last}
        return ""
