"""Retries, the circuit breaker and rate limits, on a clock that the test moves."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from annotation.judges.providers.endpoint import Endpoint, NotBought, back_off, retry_after
from annotation.judges.providers.limits import CircuitBreaker, RateLimit
from tests.annotation.chat_server import reply, serving


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_rests_and_lets_one_try() -> None:
    clock = Clock()
    breaker = CircuitBreaker(threshold=2, rest=10, clock=clock)
    breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    clock.now = 10
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()


def test_requests_per_minute() -> None:
    clock = Clock()
    limit = RateLimit(requests=2, clock=clock)
    assert limit.wait(1) == 0
    clock.now = 20
    assert limit.wait(1) == 0
    assert limit.wait(1) == 40
    clock.now = 60
    assert limit.wait(1) == 0


def test_tokens_per_minute_and_a_call_above_the_whole_limit() -> None:
    clock = Clock()
    limit = RateLimit(tokens=100, clock=clock)
    assert limit.wait(500) == 0
    assert limit.wait(10) == 60
    clock.now = 60
    assert limit.wait(60) == 0
    assert limit.wait(40) == 0
    assert limit.wait(1) == 60


def test_back_off_grows_with_jitter_and_stays_below_a_minute() -> None:
    for attempt, full in enumerate([0.5, 1, 2, 4, 8, 16, 32, 60, 60]):
        assert full / 2 <= back_off(attempt) <= full


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    assert retry_after("7") == 7
    assert retry_after("100000") == 60
    assert retry_after(format_datetime(soon, usegmt=True)) == pytest.approx(30, abs=3)
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_a_server_that_keeps_failing_is_left_alone() -> None:
    waits: list[float] = []
    with serving(lambda body, number: (503, {}, {})) as server:
        endpoint = Endpoint(server.url, sleep=waits.append, breaker=CircuitBreaker(threshold=3))
        with pytest.raises(NotBought, match=r"resting.*HTTP 503"):
            endpoint.complete({})
        with pytest.raises(NotBought, match="resting"):
            endpoint.complete({})
        endpoint.close()
    assert len(server.bodies) == 3
    assert len(waits) == 3


def test_waiting_for_ones_turn_is_no_failure() -> None:
    waits: list[float] = []
    with serving(
        lambda body, number: (
            (429, {"Retry-After": "3"}, {}) if number < 4 else (200, {}, reply("A"))
        )
    ) as server:
        endpoint = Endpoint(server.url, sleep=waits.append, breaker=CircuitBreaker(threshold=2))
        assert endpoint.complete({})["choices"]
        endpoint.close()
    assert waits == [3, 3, 3]


def test_an_address_where_nobody_listens_is_not_bought() -> None:
    endpoint = Endpoint("http://127.0.0.1:9", attempts=2, sleep=lambda _: None)
    with pytest.raises(NotBought, match="cannot connect"):
        endpoint.complete({})
    endpoint.close()
