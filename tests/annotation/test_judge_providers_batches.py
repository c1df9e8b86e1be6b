"""Handing questions in together, and reading what became of each."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from annotation.judges.models import Connection, Failure, Judge
from annotation.judges.providers.base import Completion, ProviderError, Question
from annotation.judges.providers.batches import AnthropicBatches, BatchClient, Status
from annotation.judges.providers.chat import batches
from core.exceptions import InvalidInput
from core.secrets import encrypt
from tests.endpoint.client import endpoint
from tests.loops import in_a_loop

from .raw_server import raw, response

PROVIDERS = ["openai-compatible", "anthropic"]
KEY = "sk-12345"


def client(url: str, provider: str) -> BatchClient:
    made = Connection(provider=provider, base_url=url, secret=encrypt(KEY), batches=True)
    return batches(Judge(name="j", model="m", provider=provider, connection=made))


def questions(count: int) -> list[Question]:
    pair = "<completion_a>\nquality=0.9\n</completion_a><completion_b>\nquality=0.1\n"
    return [
        Question(
            number,
            (0, 1),
            f"{number:064x}",
            messages=({"role": "user", "content": f"{number} {pair}</completion_b>"},),
            choices=("A", "B"),
            max_tokens=1,
        )
        for number in range(count)
    ]


async def results(made: BatchClient, batch_id: str) -> dict[str, Completion | ProviderError]:
    return {key: result async for key, result in made.results(batch_id)}


async def ended(made: BatchClient, batch_id: str) -> Status:
    for _ in range(100):
        if (status := await made.state(batch_id)).ended:
            return status
        await asyncio.sleep(0.05)
    raise AssertionError("the batch does not end")


def outcome(result: Completion | ProviderError) -> str:
    if isinstance(result, ProviderError):
        assert not result.unknown
        return result.failure
    return "refused" if result.refused else result.text


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_question_of_a_batch_has_an_outcome(provider: str) -> None:
    async def run(url: str) -> dict[str, Completion | ProviderError]:
        made = client(url, provider)
        batch_id = await made.submit(questions(60), name="run 1")
        assert not (await made.state(batch_id)).ended
        assert await made.find("run 1") == (None if provider == "anthropic" else batch_id)
        assert await made.find("run 2") is None
        await ended(made, batch_id)
        found = await results(made, batch_id)
        await made.close()
        return found

    errors = dict.fromkeys(("500", "context", "413", "refusal"), 0.1)
    with endpoint(errors=errors, batch_expires=0.1, batch_seconds=0.3) as running:
        found = in_a_loop(run(f"{running.url}/v1"))
        bill = running.bill()
    assert set(found) == {question.key for question in questions(60)}
    outcomes = Counter(outcome(result) for result in found.values())
    kinds = {"A", "refused", Failure.CONTEXT, Failure.TOO_LARGE, Failure.SERVER}
    assert set(outcomes) == kinds
    assert outcomes["A"] + outcomes["refused"] == bill["calls"]
    answered = [each for each in found.values() if isinstance(each, Completion)]
    assert sum(each.input_tokens or 0 for each in answered) == bill["input_tokens"]
    retries = {
        each.retry
        for each in found.values()
        if isinstance(each, ProviderError) and each.failure == Failure.SERVER
    }
    assert retries == {True}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cancelled_batch_leaves_questions_that_may_be_asked_again(provider: str) -> None:
    async def run(url: str) -> dict[str, Completion | ProviderError]:
        made = client(url, provider)
        batch_id = await made.submit(questions(3), name="run 1")
        await made.cancel(batch_id)
        await ended(made, batch_id)
        found = await results(made, batch_id)
        await made.close()
        return found

    with endpoint(batch_seconds=60) as running:
        found = in_a_loop(run(f"{running.url}/v1"))
        assert running.bill()["calls"] == 0
    assert len(found) == 3
    for result in found.values():
        assert isinstance(result, ProviderError)
        assert (result.failure, result.retry, result.unknown) == (Failure.SERVER, True, False)


def failing(act: Any, *answers: bytes, provider: str = "openai-compatible") -> ProviderError:
    async def run() -> ProviderError:
        async with raw(*answers) as server:
            made = client(server.url, provider)
            with pytest.raises(ProviderError) as failed:
                await act(made)
            await made.close()
        return failed.value

    return in_a_loop(run())


def test_only_handing_in_may_have_been_charged() -> None:
    async def submit(made: BatchClient) -> None:
        await made.submit(questions(1), name="run 1")

    uploaded = response(200, {"id": "file-1"})
    assert failing(submit, uploaded, b"").unknown
    assert not failing(submit, b"").unknown
    assert not failing(submit, uploaded, response(429, {})).unknown
    assert failing(submit, uploaded, response(200, {"id": "../x"})).unknown
    assert failing(submit, b"", provider="anthropic").unknown


@pytest.mark.parametrize("provider", PROVIDERS)
def test_reading_is_free_and_may_be_repeated(provider: str) -> None:
    async def state(made: BatchClient) -> None:
        await made.state("batch_1")

    async def read(made: BatchClient) -> None:
        await results(made, "batch_1")

    shown = response(200, {"id": "batch_1", "output_file_id": "file-2"})
    before = [shown] if provider == "openai-compatible" else []
    half = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"custom_id": "1"'
    for act, answers in (
        (state, [b""]),
        (state, [response(200, "<html>")]),
        (read, [*before, b""]),
        (read, [*before, half]),
        (read, [*before, response(200, "not JSON\n")]),
    ):
        error = failing(act, *answers, provider=provider)
        assert (error.retry, error.unknown) == (True, False)
    error = failing(read, *before, response(401, {"error": KEY}), provider=provider)
    assert (error.failure, error.retry) == (Failure.AUTH, False)
    assert KEY not in str(error)


def test_an_errored_result_is_known_by_its_type() -> None:
    made = client("https://models.example/v1", "anthropic")
    assert isinstance(made, AnthropicBatches)
    for kind, failure in (
        ("overloaded_error", Failure.SERVER),
        ("rate_limit_error", Failure.RATE_LIMIT),
        ("authentication_error", Failure.AUTH),
        ("invalid_request_error", Failure.BAD_REQUEST),
        ("new_error", Failure.SERVER),
    ):
        told = {"type": "error", "error": {"type": kind, "message": "x"}}
        result = made._result({"type": "errored", "error": told})
        assert isinstance(result, ProviderError)
        assert result.failure == failure
    for odd in (
        None,
        {},
        {"type": "errored"},
        {"type": "succeeded"},
        {"type": "errored", "error": 3},
    ):
        assert isinstance(made._result(odd), ProviderError)


def test_a_judge_without_a_batch_endpoint_has_none() -> None:
    made = Connection(provider="anthropic", base_url="https://models.example/v1")
    for connection in (None, made):
        with pytest.raises(InvalidInput, match="batch"):
            batches(Judge(name="j", model="m", provider="anthropic", connection=connection))
