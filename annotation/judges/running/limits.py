"""How fast a provider may be asked: evenly spaced, and for a connection by all processes together.

Every request moves a moment forward from which the next one is free, and so does every token
(a generic cell rate algorithm without a burst): never more than the limit in any minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from django.db import connection

from annotation.judges.models import Connection

# A call whose turn comes within this many seconds is written and sent with a delay.
HORIZON = 0.25
MINUTE = 60.0

# Moves the moments only where both come up within the horizon; gives seconds until each.
TAKE = """
WITH free AS (
  SELECT id, clock.t, greatest(coalesce(requests_at, clock.t), clock.t) AS requests,
         greatest(coalesce(tokens_at, clock.t), clock.t) AS tokens
  FROM annotation_connection, (SELECT clock_timestamp() AS t) AS clock
  WHERE id = %(id)s FOR UPDATE OF annotation_connection
), moved AS (
  SELECT *, greatest(requests, tokens) <= t + make_interval(secs => %(horizon)s) AS soon FROM free
)
UPDATE annotation_connection AS c SET
  requests_at = moved.requests + make_interval(secs => CASE WHEN soon THEN %(requests)s ELSE 0 END),
  tokens_at = moved.tokens + make_interval(secs => CASE WHEN soon THEN %(tokens)s ELSE 0 END)
FROM moved WHERE c.id = moved.id
RETURNING extract(epoch FROM moved.requests - moved.t)::float8,
          extract(epoch FROM moved.tokens - moved.t)::float8
"""
HELD = """
SELECT greatest(0, extract(epoch FROM requests_at - clock_timestamp()))::float8
FROM annotation_connection WHERE id = %s
"""
HOLD = """
UPDATE annotation_connection SET requests_at = greatest(
  coalesce(requests_at, clock_timestamp()), clock_timestamp() + make_interval(secs => %s)
) WHERE id = %s
"""
REFUND = "UPDATE annotation_connection SET tokens_at = tokens_at - make_interval(secs => %s) "
REFUND += "WHERE id = %s"

Values = Sequence[int | float] | Mapping[str, int | float]


class Limit(Protocol):
    """A rate limit; all times are seconds from now."""

    def take(self, tokens: Sequence[int]) -> tuple[list[float], float]:
        """Delays for the first of these calls, and when to come back for the others."""
        ...

    def hold(self, seconds: float) -> None:
        """Nobody asks for so long: the endpoint said so."""
        ...

    def refund(self, tokens: int) -> None:
        """So many tokens that were taken have not been used."""
        ...


class SharedLimit:
    """The limit of a connection, kept in its row; no lock is held while anybody waits."""

    def __init__(self, row: Connection) -> None:
        self._id = row.pk
        self._request = MINUTE / row.requests_per_minute if row.requests_per_minute else 0.0
        self._token = MINUTE / row.tokens_per_minute if row.tokens_per_minute else 0.0

    def take(self, tokens: Sequence[int]) -> tuple[list[float], float]:
        if not self._request and not self._token:
            (held,) = _row(HELD, [self._id])
            return ([], held) if held else ([0.0] * len(tokens), 0.0)
        taken = fitting(tokens, self._request, self._token)
        values = {
            "id": self._id,
            "horizon": HORIZON,
            "requests": self._request * len(taken),
            "tokens": self._token * sum(taken),
        }
        requests, used = _row(TAKE, values)
        if max(requests, used) > HORIZON:
            return [], max(requests, used) - HORIZON
        delays = spaced(taken, requests, used, self._request, self._token)
        return delays, 0.0 if len(taken) == len(tokens) else HORIZON

    def hold(self, seconds: float) -> None:
        _run(HOLD, [seconds, self._id])

    def refund(self, tokens: int) -> None:
        if self._token and tokens > 0:
            _run(REFUND, [tokens * self._token, self._id])


class OwnLimit:
    """The limit of a judge without a connection: of this process alone."""

    def __init__(
        self, *, requests: int = 0, tokens: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._request = MINUTE / requests if requests else 0.0
        self._token = MINUTE / tokens if tokens else 0.0
        self._clock = clock
        self._requests_at = self._tokens_at = 0.0

    def take(self, tokens: Sequence[int]) -> tuple[list[float], float]:
        now = self._clock()
        requests, used = max(0.0, self._requests_at - now), max(0.0, self._tokens_at - now)
        if max(requests, used) > HORIZON:
            return [], max(requests, used) - HORIZON
        taken = fitting(tokens, self._request, self._token)
        delays = spaced(taken, requests, used, self._request, self._token)
        self._requests_at = now + requests + self._request * len(taken)
        self._tokens_at = now + used + self._token * sum(taken)
        return delays, 0.0 if len(taken) == len(tokens) else HORIZON

    def hold(self, seconds: float) -> None:
        self._requests_at = max(self._requests_at, self._clock() + seconds)

    def refund(self, tokens: int) -> None:
        self._tokens_at -= tokens * self._token


def fitting(tokens: Sequence[int], request: float, token: float) -> Sequence[int]:
    """As many calls as come up within a horizon, and at least one."""
    until = 0.0
    for count, each in enumerate(tokens):
        if count and until > HORIZON:
            return tokens[:count]
        until += max(request, token * each)
    return tokens


def spaced(
    tokens: Sequence[int], requests: float, used: float, request: float, token: float
) -> list[float]:
    """When each of these calls is due: after the requests, and the tokens, before it."""
    delays = []
    for each in tokens:
        delays.append(max(requests, used))
        requests, used = requests + request, used + token * each
    return delays


def _row(sql: str, values: Values) -> tuple[float, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return tuple(float(each or 0.0) for each in cursor.fetchone() or (0.0, 0.0))


def _run(sql: str, values: Values) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
