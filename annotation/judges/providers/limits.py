"""Not asking faster than allowed, and not asking an endpoint that is down. Pure, thread-safe."""

import threading
import time
from collections import deque
from collections.abc import Callable

Clock = Callable[[], float]
MINUTE = 60.0


class CircuitBreaker:
    """Opens after `threshold` failures in a row; after `rest` seconds one caller may try again."""

    def __init__(
        self, *, threshold: int = 5, rest: float = 30.0, clock: Clock = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0
        self._lock = threading.Lock()

    def allows(self) -> bool:
        """Whether a call may be made now."""
        with self._lock:
            if self._failures < self._threshold:
                return True
            if self._clock() < self._retry_at:
                return False
            self._retry_at = self._clock() + self._rest
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= self._threshold:
                self._retry_at = self._clock() + self._rest


class RateLimit:
    """At most `requests` and `tokens` in any minute; 0 means no limit."""

    def __init__(
        self, *, requests: int = 0, tokens: int = 0, clock: Clock = time.monotonic
    ) -> None:
        self._requests = requests
        self._tokens = tokens
        self._clock = clock
        self._spent: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def wait(self, tokens: int) -> float:
        """Seconds to wait before asking for `tokens`; 0 takes the place at once.

        A call larger than the whole limit waits for an empty minute.
        """
        with self._lock:
            now = self._clock()
            while self._spent and now - self._spent[0][0] >= MINUTE:
                self._spent.popleft()
            full = self._requests and len(self._spent) >= self._requests
            used = sum(spent for _, spent in self._spent)
            heavy = self._tokens and self._spent and used + tokens > self._tokens
            if full or heavy:
                return MINUTE - (now - self._spent[0][0])
            self._spent.append((now, tokens))
            return 0.0
