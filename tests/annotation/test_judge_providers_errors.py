"""Every way in which a call can bring no reply: what it is called, and what is owed."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from annotation.judges.models import Connection, Failure
from annotation.judges.providers import errors, wire
from annotation.judges.providers.base import Completion, ProviderError
from annotation.judges.providers.chat import chat_of
from annotation.judges.providers.waiting import waiting_time
from core.exceptions import InvalidInput
from core.secrets import encrypt
from tests.loops import in_a_loop

from .raw_server import DRIP, HANG, SILENCE, raw, response

KEY = "sk-very-secret-12345"
QUESTION = ({"role": "user", "content": "Which is better?"},)
GOOD = {"choices": [{"message": {"content": "A"}}]}
NOTHING_OWED, MAYBE_CHARGED = False, True


def connection(url: str, provider: str = "openai-compatible", **values: Any) -> Connection:
    return Connection(provider=provider, base_url=url, secret=encrypt(KEY), **values)


async def ask(url: str, provider: str = "openai-compatible", **values: Any) -> Completion:
    chat = chat_of(connection(url, provider, **values), "m")
    try:
        return await chat.complete(messages=QUESTION, max_tokens=1)
    finally:
        await chat.close()


def failing(*answers: bytes, provider: str = "openai-compatible", **values: Any) -> ProviderError:
    """The error of one question that is answered so; checked to be one attempt."""

    async def run() -> ProviderError:
        async with raw(*answers) as server:
            with pytest.raises(ProviderError) as failed:
                await ask(server.url, provider, **values)
            assert len(server.heads) == 1
        return failed.value

    return in_a_loop(run())


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
@pytest.mark.parametrize("status", sorted(errors.STATUSES))
def test_every_row_of_the_table_of_statuses(status: int, provider: str) -> None:
    row = errors.STATUSES[status]
    error = failing(response(status, {"error": {"message": "No."}}), provider=provider)
    assert (error.failure, error.retry, error.unknown) == (row.failure, row.retry, row.unknown)
    assert str(error) == f"HTTP {status}: No."


@pytest.mark.parametrize(
    ("status", "failure", "retry", "unknown"),
    [
        (400, Failure.BAD_REQUEST, False, NOTHING_OWED),
        (401, Failure.AUTH, False, NOTHING_OWED),
        (403, Failure.AUTH, False, NOTHING_OWED),
        (404, Failure.NOT_FOUND, False, NOTHING_OWED),
        (408, Failure.TIMEOUT, True, NOTHING_OWED),
        (413, Failure.TOO_LARGE, False, NOTHING_OWED),
        (418, Failure.BAD_REQUEST, False, NOTHING_OWED),
        (429, Failure.RATE_LIMIT, True, NOTHING_OWED),
        (500, Failure.SERVER, True, NOTHING_OWED),
        (503, Failure.SERVER, True, NOTHING_OWED),
        (504, Failure.TIMEOUT, True, MAYBE_CHARGED),
        (529, Failure.SERVER, True, NOTHING_OWED),
        (599, Failure.SERVER, True, NOTHING_OWED),
        (302, Failure.NOT_FOUND, False, NOTHING_OWED),
    ],
)
def test_statuses(status: int, failure: str, retry: bool, unknown: bool) -> None:
    error = failing(response(status, "no JSON", Location="http://169.254.169.254/"))
    assert (error.failure, error.retry, error.unknown) == (failure, retry, unknown)


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "x"}}, Failure.CONTEXT),
        (
            400,
            {"error": {"message": "This model's maximum context length is 8192 tokens."}},
            Failure.CONTEXT,
        ),
        (
            400,
            {"error": {"message": "prompt is too long: 210000 > 200000"}},
            Failure.CONTEXT,
        ),
        (
            422,
            {"error": "`inputs` has too many tokens"},
            Failure.CONTEXT,
        ),
        (413, {"message": "the context window is exceeded"}, Failure.CONTEXT),
        (400, {"error": {"code": "content_filter", "message": "x"}}, Failure.REFUSAL),
        (429, {"error": {"code": "insufficient_quota", "message": "x"}}, Failure.AUTH),
        (400, {"error": {"message": "Your credit balance is too low"}}, Failure.AUTH),
        (400, {"error": {"code": "invalid_api_key", "message": "x"}}, Failure.AUTH),
        (500, {"error": {"message": "context length"}}, Failure.SERVER),
    ],
)
def test_what_a_body_says_tells_more_than_its_status(status: int, body: Any, failure: str) -> None:
    error = failing(response(status, body))
    assert error.failure == failure
    assert not error.unknown
    assert error.retry == (failure == Failure.SERVER)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "failure", "retry"),
    [
        (SILENCE, Failure.TIMEOUT, True),
        (HEAD + b'{"cho' + HANG, Failure.TIMEOUT, True),
        (b"", Failure.NETWORK, True),
        (b"HTTP/1.1 200", Failure.NETWORK, True),
        (b"what?\r\n\r\n", Failure.NETWORK, True),
        (HEAD + b'{"cho', Failure.HALF_REPLY, True),
        (response(200, '{"choices": [{"mess'), Failure.INVALID_JSON, True),
        (response(200, "[" * 100_000), Failure.INVALID_JSON, True),
        (response(200, "<html>"), Failure.INVALID_JSON, True),
        (response(200, ""), Failure.INVALID_JSON, True),
        (response(200, [1]), Failure.INVALID_JSON, True),
        (response(200, {}), Failure.INVALID_JSON, True),
        (response(200, {"choices": []}), Failure.INVALID_JSON, True),
        (response(200, {"choices": [{"message": "A"}]}), Failure.INVALID_JSON, True),
        (response(200, GOOD, Content_Encoding="gzip"), Failure.INVALID_JSON, True),
    ],
)
def test_a_question_that_arrived_may_have_been_charged(
    answer: bytes, failure: str, retry: bool
) -> None:
    error = failing(answer, timeout_seconds=1)
    assert (error.failure, error.retry, error.unknown) == (failure, retry, MAYBE_CHARGED)


def test_an_endless_reply_may_have_been_charged_and_is_not_asked_for_again() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    error = failing(head + b" " * (17 * 2**20))
    assert (error.failure, error.retry, error.unknown) == (Failure.HALF_REPLY, False, MAYBE_CHARGED)


def test_a_reply_that_drips_for_ever_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timeout is between two bytes; another one is for all of them."""
    monkeypatch.setattr(wire, "CONNECTING", 0.2)
    error = failing(HEAD + DRIP, timeout_seconds=1)
    assert (error.failure, error.unknown) == (Failure.TIMEOUT, MAYBE_CHARGED)


def test_an_error_whose_body_breaks_off_is_known_by_its_status() -> None:
    head = b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\nRetry-After: 7\r\n\r\n"
    error = failing(head + b"half")
    assert (error.failure, error.unknown, error.wait) == (Failure.SERVER, NOTHING_OWED, 7)


def test_an_error_within_a_successful_reply_is_one() -> None:
    """OpenRouter answers 200 before the model behind it has."""
    error = failing(response(200, {"error": {"code": 429, "message": "slow down"}}))
    assert (error.failure, error.retry, error.unknown) == (Failure.RATE_LIMIT, True, NOTHING_OWED)
    assert failing(response(200, {"error": {"message": "x"}})).failure == Failure.SERVER


def test_who_cannot_be_reached_is_owed_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(ProviderError) as failed:
            in_a_loop(ask(url))
    error = failed.value
    assert (error.failure, error.retry, error.unknown) == (Failure.NETWORK, True, NOTHING_OWED)
    with pytest.raises(ProviderError) as failed:
        in_a_loop(ask("http://nobody.invalid/v1"))
    assert (failed.value.failure, failed.value.unknown) == (Failure.NETWORK, NOTHING_OWED)


def test_private_addresses_are_not_asked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.JUDGE_PRIVATE_HOSTS = []
    with pytest.raises(InvalidInput, match="not public"):
        in_a_loop(ask("http://127.0.0.1:8000/v1"))
    # A name shows its address only when it is asked.
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ProviderError) as failed:
        in_a_loop(ask("https://models.example/v1"))
    error = failed.value
    assert (error.failure, error.retry, error.unknown) == (Failure.PRIVATE, False, NOTHING_OWED)


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
def test_a_key_that_is_sent_back_is_not_written_down(provider: str) -> None:
    echo = {"error": {"message": f"You sent Authorization: Bearer {KEY}, which is wrong."}}
    error = failing(response(401, echo), provider=provider)
    assert "[key]" in str(error)
    assert KEY not in f"{error} {error!r} {vars(error)}"
    assert KEY not in str(failing(response(500, f"<pre>{KEY}</pre>"), provider=provider))


def test_a_key_in_a_reply_is_not_written_down_either() -> None:
    async def run() -> Completion:
        said = {"choices": [{"message": {"content": f"Your key is {KEY}\0."}}]}
        async with raw(response(200, said)) as server:
            return await ask(server.url)

    assert in_a_loop(run()).text == "Your key is [key]."


def test_a_connection_shows_no_key() -> None:
    made = connection("https://models.example/v1")
    chat = chat_of(made, "m")
    assert KEY not in f"{made} {made!r} {made.secret} {chat!r} {chat.wire!r}"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-1"}, 0),
        ({"retry-after": "86400"}, 60),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2s"}, 60),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "20s"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "8.5s",
            },
            8.5,
        ),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "later"}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert waiting_time(headers) == (None if seconds is None else pytest.approx(seconds))


def test_how_long_to_wait_until_a_moment() -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    for headers in (
        {"retry-after": format_datetime(soon, usegmt=True)},
        {
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": soon.isoformat().replace("+00:00", "Z"),
        },
    ):
        assert waiting_time(headers) == pytest.approx(30, abs=5)


def test_the_time_to_wait_comes_with_the_error() -> None:
    assert failing(response(429, {}, Retry_After="3")).wait == 3
    assert failing(response(401, {}, Retry_After="3")).wait is None
