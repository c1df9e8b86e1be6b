"""One chat-completions endpoint: retries, back-off, and telling a failure from an unknown. Pure."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from core.network import PrivateAddress

from .limits import CircuitBreaker, RateLimit
from .waiting import LONGEST_WAIT, retry_after

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
EXCERPT = 300
# A reply of 32,000 tokens with everything beside it stays far below this.
MOST_BYTES = 16 * 2**20
KEPT = ("Content-Type", "Retry-After")


class NotBought(Exception):
    """The endpoint answered that it did nothing, or was never reached: nothing is owed."""


class OutcomeUnknown(Exception):
    """The question was sent and no whole reply came back: it may have been charged."""


@dataclass(frozen=True)
class Trouble:
    """A passing failure; `wait` in seconds where the endpoint named one."""

    reason: str
    wait: float | None = None


class Endpoint:
    """POST <base_url>/chat/completions. One instance is shared by the threads of a judge."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str = "",
        timeout: float = 120.0,
        attempts: int = 5,
        breaker: CircuitBreaker | None = None,
        limit: RateLimit | None = None,
        sleep: Callable[[float], object] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            transport=transport,
            trust_env=False,
        )
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        # A timeout is between two bytes; this is for all of them.
        self._longest = 3 * timeout
        self._attempts = attempts
        self._breaker = breaker or CircuitBreaker()
        self._limit = limit or RateLimit()
        self._sleep = sleep

    def close(self) -> None:
        self._client.close()

    def complete(self, body: dict[str, Any], *, tokens: int = 0) -> dict[str, Any]:
        """The reply's JSON. `tokens`: the most this call can use, for the rate limit.

        Raises:
            NotBought: refused, or still failing after all attempts; safe to ask again.
            OutcomeUnknown: sent, but the reply was lost.
        """
        reason = "no attempt was made"
        for attempt in range(self._attempts):
            if not self._breaker.allows():
                raise NotBought(f"the endpoint is resting after repeated failures; last: {reason}")
            while pause := self._limit.wait(tokens):
                self._sleep(pause)
            outcome = self._try(body)
            if isinstance(outcome, dict):
                return outcome
            reason = outcome.reason
            if attempt + 1 < self._attempts:
                self._sleep(back_off(attempt) if outcome.wait is None else outcome.wait)
        raise NotBought(f"gave up after {self._attempts} attempts; last: {reason}")

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        """The whole response, as long as it ends: what streams on for ever is given up."""
        until, content = time.monotonic() + self._longest, b""
        with self._client.stream("POST", self._url, json=body) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > MOST_BYTES or time.monotonic() > until:
                    raise OutcomeUnknown("the reply does not end")
        kept = {name: response.headers[name] for name in KEPT if name in response.headers}
        return httpx.Response(response.status_code, headers=kept, content=content)

    def _try(self, body: dict[str, Any]) -> dict[str, Any] | Trouble:
        """The reply, or why another attempt makes sense. Being told to wait is no failure."""
        try:
            response = self._post(body)
        except PrivateAddress as error:
            raise NotBought(str(error)) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._breaker.failed()
            return Trouble(f"cannot connect: {error}")
        except httpx.TransportError as error:
            self._breaker.failed()
            raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error
        if response.status_code in TRANSIENT:
            if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                self._breaker.failed()
            return Trouble(_problem(response), retry_after(response.headers.get("Retry-After")))
        self._breaker.succeeded()
        if response.status_code != HTTPStatus.OK:
            raise NotBought(_problem(response))
        return _json_object(response)


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        reply = response.json()
    except ValueError as error:
        raise OutcomeUnknown("the reply is not JSON") from error
    if not isinstance(reply, dict):
        raise OutcomeUnknown("the reply is not a JSON object")
    return reply


def _problem(response: httpx.Response) -> str:
    return f"HTTP {response.status_code}: {response.text[:EXCERPT]}"


def back_off(attempt: int) -> float:
    """Seconds before attempt + 1: 0.5, 1, 2, … up to a minute, each times a draw from [½, 1]."""
    return float(min(LONGEST_WAIT, 0.5 * 2**attempt)) * random.uniform(0.5, 1)
