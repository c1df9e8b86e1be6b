"""Endpoints that answer with whatever breaks a reader: every reply has an outcome, none a crash."""

import gzip
import json
import time
from typing import Any

import pytest

from annotation.judges import parsing
from annotation.judges.asking.layout import escaped
from annotation.judges.models import Connection, Failure, JudgeCall, Provider
from annotation.judges.providers.base import Completion, ProviderError
from annotation.judges.providers.batches import AnthropicBatches, OpenAIBatches
from annotation.judges.providers.chat import chat_of
from annotation.judges.providers.waiting import waiting_time
from annotation.ledger.selectors import state
from core.secrets import encrypt
from tests.annotation.judge_scene import begin, finish, make_budget, make_judge, plant
from tests.annotation.raw_server import raw, response, serving
from tests.annotation.test_judge_providers_wire import chat_reply, said
from tests.factories import make_project
from tests.loops import in_a_loop

KEY = "sk-ant/api+1234567890"
MEGABYTE = 1 << 20


def connection(url: str, **values: Any) -> Connection:
    fields = {"provider": Provider.OPENAI, "secret": encrypt(KEY), "timeout_seconds": 5} | values
    return Connection(base_url=url, **fields)


def outcome(*answers: bytes, **values: Any) -> Completion | ProviderError:
    """What one question to a server with these answers comes to."""

    async def run() -> Completion | ProviderError:
        async with raw(*answers) as server:
            chat = chat_of(connection(server.url), "m", values)
            try:
                return await chat.complete(
                    messages=({"role": "user", "content": "?"},),
                    max_tokens=1,
                    logprobs=True,
                    choices=("A", "B"),
                )
            except ProviderError as error:
                return error
            finally:
                await chat.close()

    return in_a_loop(run())


def packed(body: bytes, packing: str, **headers: str) -> bytes:
    head = [f"Content-Encoding: {packing}", f"Content-Length: {len(body)}", "Connection: close"]
    return ("HTTP/1.1 200 OK\r\n" + "\r\n".join(head) + "\r\n\r\n").encode() + body


def test_a_packed_reply_is_unpacked_within_bounds() -> None:
    good = json.dumps(chat_reply("A")).encode()
    read = outcome(packed(gzip.compress(good), "gzip"))
    assert isinstance(read, Completion)
    assert read.text == "A"
    bomb = gzip.compress(b" " * (200 * MEGABYTE))
    for body, packing, failure in (
        (bomb, "gzip", Failure.HALF_REPLY),
        (gzip.compress(bomb), "gzip, gzip", Failure.INVALID_JSON),
        (gzip.compress(good)[:-9], "gzip", Failure.INVALID_JSON),
        (good, "gzip", Failure.INVALID_JSON),
        (good, "br", Failure.INVALID_JSON),
    ):
        error = outcome(packed(body, packing))
        assert isinstance(error, ProviderError)
        assert (error.failure, error.unknown) == (failure, True)


def test_headers_without_end_are_given_up() -> None:
    bomb = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 900) for n in range(5000))
    error = outcome(bomb + b"\r\n{}")
    assert isinstance(error, ProviderError)
    assert error.unknown


@pytest.mark.parametrize(
    "body", ["[" * 60_000, '{"error": ' * 9_000, '{"error": {"message": "\\ud800\\u0000"}}']
)
@pytest.mark.parametrize("status", [400, 429, 500])
def test_errors_of_any_depth_are_errors(status: int, body: str) -> None:
    error = outcome(response(status, body))
    assert isinstance(error, ProviderError)
    assert not error.unknown
    str(error).encode()
    assert "\0" not in str(error)


def test_a_label_wrapped_without_end_is_text() -> None:
    deep = '{"verdict": ' * 9_000
    read = outcome(response(200, chat_reply(deep)), constrain="response_format")
    assert isinstance(read, Completion)
    assert read.text == deep


def test_log_probabilities_are_numbers_and_few() -> None:
    odd = [
        *({"token": "A", "logprob": value} for value in (10**400, True, "x", None)),
        {"token": "A\ud800\0" + "y" * 10_000, "logprob": -1},
        *({"token": "B", "logprob": -2.0} for _ in range(5000)),
    ]
    read, _ = said(chat_reply("A", logprobs={"content": [{"token": "A", "top_logprobs": odd}]}))
    assert 0 < len(read.top) <= 100
    assert all(len(each["token"]) <= 200 for each in read.top)
    json.dumps(read.top, ensure_ascii=False, allow_nan=False).encode()
    read, _ = said(chat_reply("A", logprobs={"content": "A"}))
    assert read.top == []
    read, _ = said(chat_reply("A", logprobs={"content": [{"token": "A", "top_logprobs": 7}]}))
    assert read.top == []


@pytest.mark.parametrize(
    ("told", "tokens"),
    [(-1, None), (2**63, 2**31 - 1), (1.5, None), ("9", None), (True, None), (None, None)],
)
def test_usage_that_is_no_count_is_none(told: Any, tokens: int | None) -> None:
    usage = {"prompt_tokens": told, "completion_tokens": told}
    read, _ = said({**chat_reply("A"), "usage": usage})
    assert (read.input_tokens, read.output_tokens) == (tokens, tokens)
    cached = {"input_tokens": told, "output_tokens": told, "cache_read_input_tokens": 1}
    content = {"content": [{"type": "text", "text": "A"}], "usage": cached}
    assert said(content, provider="anthropic")[0].output_tokens == tokens
    assert (said(content, provider="anthropic")[0].input_tokens is None) == (tokens is None)


def test_waits_that_are_no_numbers_are_none_or_a_minute() -> None:
    for value in ("9" * 5000, "9" * 400, "-5", "nan", "inf", "\u0663", "soon", "1e999", "-1e999"):
        for name in ("retry-after", "retry-after-ms"):
            wait = waiting_time({name: value})
            assert wait is None or 0 <= wait <= 60
        reset = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": value}
        wait = waiting_time(reset)
        assert wait is None or 0 <= wait <= 60


def test_a_key_spelt_otherwise_in_an_error_is_not_written_down() -> None:
    spelt = json.dumps({"error": {"message": f"wrong key {KEY}"}}).replace("/", "\\/")
    assert KEY not in spelt
    error = outcome(response(401, spelt))
    assert "[key]" in str(error)
    assert "1234567890" not in str(error)


def test_a_redirect_is_no_answer() -> None:
    to = response(307, "", Location="http://169.254.169.254/latest/meta-data")
    error = outcome(to)
    assert isinstance(error, ProviderError)
    assert (error.failure, error.retry) == (Failure.NOT_FOUND, False)


async def _lines(kind: type[OpenAIBatches] | type[AnthropicBatches], file: bytes) -> dict[str, Any]:
    listed = response(200, {"id": "batch_1", "output_file_id": "file-1"})
    answers = [listed, file] if kind is OpenAIBatches else [file]
    async with raw(*answers) as server:
        provider = Provider.OPENAI if kind is OpenAIBatches else Provider.ANTHROPIC
        client = kind(chat_of(connection(server.url, provider=provider), "m"))  # type: ignore[arg-type]
        try:
            return {key: result async for key, result in client.results("batch_1")}
        finally:
            await client.close()


def line(key: str, text: str) -> str:
    body = {"status_code": 200, "body": chat_reply(text)}
    return json.dumps({"custom_id": key, "response": body}, ensure_ascii=False) + "\n"


def test_one_odd_line_of_a_batch_costs_no_other() -> None:
    file = line("1", "A\u2028B\x85C") + "[" * 60_000 + "\nnot JSON\n\n" + line("2", "B")
    found = in_a_loop(_lines(OpenAIBatches, response(200, file)))
    assert {key: each.text for key, each in found.items()} == {"1": "A\u2028B\x85C", "2": "B"}


def test_a_line_without_end_is_given_up() -> None:
    with pytest.raises(ProviderError) as failed:
        in_a_loop(_lines(OpenAIBatches, response(200, " " * (17 * MEGABYTE))))
    assert not failed.value.unknown


def test_a_batch_may_be_told_of_in_any_shape() -> None:
    async def run(answer: Any) -> None:
        async with raw(response(200, answer)) as server:
            for kind, provider in (
                (OpenAIBatches, Provider.OPENAI),
                (AnthropicBatches, Provider.ANTHROPIC),
            ):
                made = kind(chat_of(connection(server.url, provider=provider), "m"))  # type: ignore[arg-type]
                status = await made.state("batch_1")
                assert (status.ended, status.done, status.failed) == (False, 0, 0)
                assert await made.find("x") is None
                await made.close()

    for odd in (7, "x", [1], {"completed": "many", "failed": -1, "succeeded": None}):
        answer = {"status": {"\ud800": 1}, "processing_status": 1, "request_counts": odd}
        in_a_loop(run(answer | {"data": odd}))
        in_a_loop(run(answer | {"data": [{"metadata": odd}, odd, None]}))


@pytest.mark.parametrize("size", [200_000])
def test_no_text_takes_long_to_read(size: int) -> None:
    """A reply, or a completion somebody imported, that a pattern would try for hours."""
    started = time.process_time()
    for text in (
        "[[" + " " * size,
        "[[" + "\t x" * size,
        "[[A]]" + " " * size + "x",
        "[" * size,
        "confidence: 5" + " " * size + "x[[A]]",
        "*" * size + "confidence",
        "\n" + "_" * size + "[[A]]",
    ):
        parsing.final_tag(text)
        parsing.confidence(text)
        parsing.rationale(text)
        parsing.refuses(text)
    for text in ("<" + " " * size, "<" * size, ("<" + "\u200b" * 50) * (size // 50), "</" * size):
        escaped(text)
    assert time.process_time() - started < 10


@pytest.mark.django_db
def test_replies_that_no_database_takes_are_stored_and_the_run_ends() -> None:
    """One odd reply among all: it is on the books, and so are its neighbours."""
    odd = chat_reply("\ud800 \0 \\u0000 [[", id="\ud800\0" * 300)
    top = [{"token": "\\u0000", "logprob": -0.5}, {"token": "A", "logprob": -1}]
    logs = chat_reply("A", logprobs={"content": [{"token": "A", "top_logprobs": top}]})
    said_twice = [odd, logs, {"error": {"message": "\ud800\0", "code": 400}}]
    states, debt = _run(*(response(200, each) for each in said_twice))
    assert states == {"finished"}
    assert debt == 0
    replies = list(JudgeCall.objects.values_list("reply", flat=True))
    assert any("\\u0000" in reply for reply in replies)
    assert JudgeCall.objects.filter(failure=Failure.BAD_REQUEST).exists()


def _run(*answers: bytes) -> tuple[set[str], int]:
    """How a run over three pairs against a raw server ends, and what is owed."""
    project = make_project()
    plant(project, 3)
    with serving(*answers) as server:
        made = Connection.objects.create(
            project=project,
            name="odd",
            provider=Provider.OPENAI,
            base_url=server.url,
            concurrency=1,
        )
        budget = make_budget(project)
        run = finish(begin(make_judge(made), budget))
    return {str(run.state)}, state(budget).debt
