"""What is sent to chat models, and what is read from them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from annotation.judges.models import Connection
from annotation.judges.providers.base import Completion
from annotation.judges.providers.chat import chat_of
from core.exceptions import InvalidInput
from core.secrets import encrypt
from tests.endpoint.client import endpoint
from tests.loops import in_a_loop

from .raw_server import RawServer, raw, response

MESSAGES = (
    {"role": "system", "content": "Judge."},
    {"role": "user", "content": "One"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "Two 😀 \ud800"},
)
KEY = "sk-12345"


def said(
    reply: Any,
    *,
    provider: str = "openai-compatible",
    choices: Sequence[str] = (),
    **parameters: Any,
) -> tuple[Completion, RawServer]:
    """What is read from a reply, and the server with what was sent."""

    async def run() -> tuple[Completion, RawServer]:
        async with raw(response(200, reply)) as server:
            made = Connection(
                provider=provider, base_url=server.url, secret=encrypt(KEY), idempotent=True
            )
            chat = chat_of(made, "model-1", parameters)
            completion = await chat.complete(
                messages=MESSAGES,
                max_tokens=1,
                logprobs=bool(choices),
                choices=choices,
                idempotency_key="cache-key",
            )
            await chat.close()
            return completion, server

    return in_a_loop(run())


def chat_reply(content: Any, **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}, **more}]}


def token(text: str, **top: float) -> dict[str, Any]:
    alternatives = [{"token": name, "logprob": value} for name, value in top.items()]
    return {"token": text, "logprob": 0.0, "top_logprobs": alternatives}


def test_a_chat_completion_is_asked_for() -> None:
    _, server = said(chat_reply("A"), choices=("A", "B"), seed=7, temperature=None, rpm=10)
    assert server.bodies == [
        {
            "model": "model-1",
            "messages": [*MESSAGES[:3], {"role": "user", "content": "Two 😀 ?"}],
            "max_tokens": 1,
            "logprobs": True,
            "top_logprobs": 10,
            "seed": 7,
        }
    ]
    head = server.heads[0].lower()
    assert head.startswith("post /v1/chat/completions ")
    assert f"authorization: bearer {KEY}\r\n" in head
    assert "idempotency-key: cache-key\r\n" in head
    assert f"host: {server.url[7:-3]}\r\n" in head


def test_newer_models_name_the_limit_otherwise() -> None:
    _, server = said(chat_reply("A"), tokens_field="max_completion_tokens", max_tokens=99)
    assert server.bodies[0]["max_completion_tokens"] == 1
    assert not {"max_tokens", "tokens_field", "logprobs"} & set(server.bodies[0])
    assert server.bodies[0]["temperature"] == 0


@pytest.mark.parametrize(
    ("parameters", "field", "value"),
    [
        ({"constrain": "structured_outputs"}, "structured_outputs", {"choice": ["A", "B"]}),
        ({"constrain": "guided_choice"}, "guided_choice", ["A", "B"]),
        (
            {"constrain": "logit_bias", "label_tokens": {"A": 32, "B": 33}},
            "logit_bias",
            {"32": 100, "33": 100},
        ),
    ],
)
def test_a_reply_is_held_to_the_labels(parameters: Any, field: str, value: Any) -> None:
    _, server = said(chat_reply("A"), choices=("A", "B"), **parameters)
    assert server.bodies[0][field] == value
    _, server = said(chat_reply("A"), **parameters)
    assert field not in server.bodies[0]


def test_a_label_in_json_is_unwrapped_with_its_alternatives() -> None:
    content = [token('{"', A=-9.0), token("verdict"), token('":"'), token("B", B=-0.1, A=-2.3)]
    completion, server = said(
        chat_reply('{"verdict":"B"}', logprobs={"content": [*content, token('"}')]}),
        choices=("A", "B"),
        constrain="response_format",
    )
    assert completion.text == "B"
    assert completion.top == [{"token": "B", "logprob": -0.1}, {"token": "A", "logprob": -2.3}]
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["verdict"]["enum"] == ["A", "B"]
    assert server.bodies[0]["max_tokens"] > 1


def test_unknown_ways_to_constrain_are_refused() -> None:
    made = Connection(provider="openai-compatible", base_url="https://models.example/v1")
    with pytest.raises(InvalidInput, match="structured_outputs"):
        chat_of(made, "m", {"constrain": "please"})
    made.provider = "anthropic"
    with pytest.raises(InvalidInput, match="tool"):
        chat_of(made, "m", {"constrain": "guided_choice"})
    with pytest.raises(InvalidInput, match="label_tokens"):
        said(chat_reply("A"), choices=("A", "B"), constrain="logit_bias", label_tokens={"A": 1})


def test_a_chat_completion_is_read() -> None:
    completion, _ = said(
        {
            "id": "chatcmpl-1",
            "choices": [
                {
                    "message": {"content": "A"},
                    "finish_reason": "stop",
                    "logprobs": {"content": [token("\n", B=-1.0), token("A", A=-0.1, B=-2.4)]},
                }
            ],
            "usage": {"prompt_tokens": 12, "completion_tokens": 1},
        }
    )
    assert completion == Completion(
        "A",
        [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.4}],
        12,
        1,
        "chatcmpl-1",
        "stop",
    )


@pytest.mark.parametrize(
    ("reply", "text", "refused"),
    [
        (chat_reply(None), "", False),
        (chat_reply(""), "", False),
        (chat_reply([{"type": "text", "text": "A"}, {"type": "image"}, "x"]), "A", False),
        (chat_reply({"odd": 1}), "", False),
        (chat_reply("half \ud800 of a character"), "half ? of a character", False),
        (chat_reply("", finish_reason="content_filter"), "", True),
        ({"choices": [{"message": {"content": None, "refusal": "I can't."}}]}, "I can't.", True),
        ({**chat_reply("A"), "error": None, "usage": "none"}, "A", False),
        ({**chat_reply("A"), "usage": {"prompt_tokens": "many"}}, "A", False),
    ],
)
def test_texts_and_refusals(reply: Any, text: str, refused: bool) -> None:
    completion, _ = said(reply)
    assert (completion.text, completion.refused) == (text, refused)
    assert (completion.input_tokens, completion.output_tokens) == (None, None)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"content": None},
        {"content": []},
        {"content": ["A"]},
        {"content": [{"token": "A"}]},
        {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": "high"}, 3]}]},
        {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": None}]}]},
    ],
)
def test_log_probabilities_that_are_missing_or_odd_are_none(logprobs: Any) -> None:
    assert said(chat_reply("A", logprobs=logprobs))[0].top == []


def test_a_message_of_anthropic_is_asked_for() -> None:
    reply: Any = {
        "id": "msg_1",
        "content": [{"type": "text", "text": "A"}],
        "stop_reason": "end_turn",
    }
    reply["usage"] = {"input_tokens": 9, "cache_read_input_tokens": 3, "output_tokens": 1}
    completion, server = said(reply, provider="anthropic", choices=("A", "B"), top_k=1)
    assert completion == Completion("A", [], 12, 1, "msg_1", "end_turn")
    assert server.bodies == [
        {
            "model": "model-1",
            "system": "Judge.",
            "messages": [*MESSAGES[1:3], {"role": "user", "content": "Two 😀 ?"}],
            "max_tokens": 1,
            "temperature": 0,
            "top_k": 1,
        }
    ]
    head = server.heads[0].lower()
    assert head.startswith("post /v1/messages ")
    assert f"x-api-key: {KEY}\r\n" in head
    assert "anthropic-version: 2023-06-01\r\n" in head
    assert "authorization" not in head


def test_a_label_as_the_call_of_a_tool() -> None:
    call = {"type": "tool_use", "name": "verdict", "input": {"verdict": "B"}}
    completion, server = said(
        {"content": [{"type": "thinking", "thinking": "A?"}, call], "stop_reason": "tool_use"},
        provider="anthropic",
        choices=("A", "B"),
        constrain="tool",
    )
    assert completion.text == "B"
    assert server.bodies[0]["tool_choice"] == {"type": "tool", "name": "verdict"}
    assert server.bodies[0]["max_tokens"] > 1


@pytest.mark.parametrize(
    ("content", "stop", "text", "refused"),
    [
        ([], "refusal", "", True),
        ([], "end_turn", "", False),
        (["odd", {"type": "text"}, {"type": "text", "text": "A"}], "max_tokens", "A", False),
    ],
)
def test_texts_and_refusals_of_anthropic(content: Any, stop: str, text: str, refused: bool) -> None:
    completion, _ = said({"content": content, "stop_reason": stop}, provider="anthropic")
    assert (completion.text, completion.refused, completion.finish_reason) == (text, refused, stop)


@pytest.mark.parametrize("provider", ["openai-compatible", "anthropic"])
def test_one_client_asks_many_questions_at_once(provider: str) -> None:
    async def run(url: str) -> list[Completion]:
        chat = chat_of(Connection(provider=provider, base_url=url), "m")
        pair = "<completion_a>\nquality=0.9\n</completion_a><completion_b>\nquality=0.1\n"
        asked = [
            chat.complete(
                messages=({"role": "user", "content": f"{number} {pair}</completion_b>"},),
                max_tokens=1,
                logprobs=True,
            )
            for number in range(40)
        ]
        found = await asyncio.gather(*asked)
        await chat.close()
        return found

    with endpoint(latency=2) as running:
        found = in_a_loop(run(f"{running.url}/v1"))
        bill = running.bill()
    assert {each.text for each in found} == {"A"}
    assert bill["calls"] == 40
    assert bill["most_in_flight"] == 40
    assert sum(each.input_tokens or 0 for each in found) == bill["input_tokens"]
    assert all(bool(each.top) == (provider != "anthropic") for each in found)


def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    """It says nothing of closing, so that the next question could be lost with it."""

    async def run() -> list[str]:
        kept_open = response(200, chat_reply("A")).replace(b"Connection: close\r\n", b"")
        async with raw(kept_open) as server:
            chat = chat_of(Connection(provider="openai-compatible", base_url=server.url), "m")
            texts = []
            for _ in range(3):
                texts.append((await chat.complete(messages=MESSAGES, max_tokens=1)).text)
                await asyncio.sleep(0.05)
            await chat.close()
            assert len(server.heads) == 3
            return texts

    assert in_a_loop(run()) == ["A", "A", "A"]
