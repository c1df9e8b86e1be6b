"""Anthropic's Messages API. It tells no log-probabilities: a one-letter reply is a hard verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.exceptions import InvalidInput

from . import errors
from .base import Completion
from .openai_chat import tokens
from .wire import Wire

VERSION = "2023-06-01"
# Tokens of the call of a tool around the label.
WRAPPED_TOKENS = 128
Fields = dict[str, Any]


class AnthropicChat:
    """POST <base_url>/messages.

    `options`: `constrain` ("tool": the reply is the call of a tool whose argument is one of the
    labels). `fields`: of the request, as they are; one that is None is left out.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        model: str,
        options: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        idempotent: bool = False,
    ) -> None:
        self.wire = wire
        self._model = model
        self._fields = {"temperature": 0, **(fields or {})}
        self._idempotent = idempotent
        self._constrain = (options or {}).get("constrain") or ""
        if self._constrain not in {"", "tool"}:
            raise InvalidInput(
                f"Unknown way to constrain {self._constrain!r}: models of Anthropic know tool."
            )

    async def complete(
        self,
        *,
        messages: Sequence[dict[str, str]],
        max_tokens: int,
        logprobs: bool = False,
        choices: Sequence[str] = (),
        idempotency_key: str = "",
    ) -> Completion:
        """One attempt, no retries. `logprobs` asks for nothing here.

        Raises:
            ProviderError: as its docstring says.
        """
        del logprobs
        sent = bool(idempotency_key and self._idempotent)
        headers = {"Idempotency-Key": idempotency_key} if sent else {}
        body = self.request(messages, max_tokens, choices=choices)
        return self.completion(await self.wire.post("/messages", body, headers))

    def request(
        self, messages: Sequence[dict[str, str]], max_tokens: int, *, choices: Sequence[str] = ()
    ) -> Fields:
        """The body of one request; the system prompt has a field of its own."""
        system = "\n\n".join(each["content"] for each in messages if each["role"] == "system")
        body: Fields = {
            "model": self._model,
            "max_tokens": max_tokens,
            "system": system or None,
            "messages": [each for each in messages if each["role"] != "system"],
        }
        if choices and self._constrain:
            body |= {"max_tokens": max(max_tokens, WRAPPED_TOKENS)} | _tool(choices)
        body |= self._fields
        return {name: value for name, value in body.items() if value is not None}

    def completion(self, reply: Fields) -> Completion:
        """What a reply says.

        Raises:
            ProviderError: it holds no content.
        """
        content = reply.get("content")
        if not isinstance(content, list):
            raise errors.error(errors.NOT_JSON, "the reply holds no message")
        usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
        stop = str(reply.get("stop_reason") or "")
        return Completion(
            text=self.wire.clean(_text(content)),
            # Cached tokens cost less or a little more; all are counted at the price of input.
            input_tokens=tokens(
                usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"
            ),
            output_tokens=tokens(usage, "output_tokens"),
            provider_id=self.wire.clean(str(reply.get("id") or ""))[:200],
            finish_reason=stop,
            refused=stop == "refusal",
        )

    async def close(self) -> None:
        await self.wire.close()


def _tool(choices: Sequence[str]) -> Fields:
    schema = {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": list(choices)}},
        "required": ["verdict"],
    }
    tool = {"name": "verdict", "description": "Says the verdict.", "input_schema": schema}
    return {"tools": [tool], "tool_choice": {"type": "tool", "name": "verdict"}}


def _text(content: Sequence[Any]) -> str:
    """The text blocks together, or the verdict of a tool's call; thoughts are left out."""
    blocks = [block for block in content if isinstance(block, dict)]
    for block in blocks:
        given = block.get("input") if block.get("type") == "tool_use" else None
        if isinstance(given, dict) and isinstance(given.get("verdict"), str):
            return str(given["verdict"])
    texts = [block.get("text") for block in blocks if block.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))
