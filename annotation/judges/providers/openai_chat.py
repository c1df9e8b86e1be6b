"""Chat completions as OpenAI, vLLM, Ollama, Together and OpenRouter serve them."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.exceptions import InvalidInput

from . import errors
from .base import Completion
from .wire import Wire

TOP_LOGPROBS = 10
# Alternatives kept, and characters of each, whatever a server sends.
MOST_ALTERNATIVES, MOST_CHARACTERS = 100, 200
MOST_TOKENS = 2**31 - 1
# Tokens of {"verdict": "A"} around the label.
WRAPPED_TOKENS = 24
Fields = dict[str, Any]


def _structured_outputs(choices: Sequence[str], _options: Mapping[str, Any]) -> Fields:
    return {"structured_outputs": {"choice": list(choices)}}


def _guided_choice(choices: Sequence[str], _options: Mapping[str, Any]) -> Fields:
    return {"guided_choice": list(choices)}


def _response_format(choices: Sequence[str], _options: Mapping[str, Any]) -> Fields:
    schema = {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": list(choices)}},
        "required": ["verdict"],
        "additionalProperties": False,
    }
    named = {"name": "verdict", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _logit_bias(choices: Sequence[str], options: Mapping[str, Any]) -> Fields:
    tokens = options.get("label_tokens") or {}
    if missing := [each for each in choices if each not in tokens]:
        raise InvalidInput(
            f"To constrain by logit_bias, name the tokens of {', '.join(missing)} in the judge's "
            'parameter label_tokens, such as {"A": 32, "B": 33}.'
        )
    return {"logit_bias": {str(tokens[each]): 100 for each in choices}}


# Servers differ in how a reply is held to a set of labels; "" holds it to none.
CONSTRAINTS: dict[str, Callable[[Sequence[str], Mapping[str, Any]], Fields]] = {
    "structured_outputs": _structured_outputs,
    "guided_choice": _guided_choice,
    "response_format": _response_format,
    "logit_bias": _logit_bias,
}
# Options of this client among a judge's parameters; all others are fields of the request.
OPTIONS = frozenset({"constrain", "label_tokens", "tokens_field", "top_logprobs"})


class OpenAIChat:
    """POST <base_url>/chat/completions.

    `options`: `constrain` (one of `CONSTRAINTS`), `label_tokens` (for logit_bias), `tokens_field`
    (max_tokens, or max_completion_tokens as newer models of OpenAI ask), `top_logprobs`. `fields`:
    of the request, as they are; one that is None is left out.
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
        self._options = dict(options or {})
        self._fields = {"temperature": 0, **(fields or {})}
        self._idempotent = idempotent
        constrain = self._options.get("constrain") or ""
        if constrain and constrain not in CONSTRAINTS:
            known = ", ".join(CONSTRAINTS)
            raise InvalidInput(f"Unknown way to constrain {constrain!r}: use one of {known}.")
        self._constrain: str = constrain

    async def complete(
        self,
        *,
        messages: Sequence[dict[str, str]],
        max_tokens: int,
        logprobs: bool = False,
        choices: Sequence[str] = (),
        idempotency_key: str = "",
    ) -> Completion:
        """One attempt, no retries.

        Raises:
            ProviderError: as its docstring says.
        """
        body = self.request(messages, max_tokens, logprobs=logprobs, choices=choices)
        sent = bool(idempotency_key and self._idempotent)
        headers = {"Idempotency-Key": idempotency_key} if sent else {}
        reply = await self.wire.post("/chat/completions", body, headers)
        return self.completion(reply)

    def request(
        self,
        messages: Sequence[dict[str, str]],
        max_tokens: int,
        *,
        logprobs: bool = False,
        choices: Sequence[str] = (),
    ) -> Fields:
        """The body of one request."""
        wrapped = choices and self._constrain == "response_format"
        tokens = max(max_tokens, WRAPPED_TOKENS) if wrapped else max_tokens
        body: Fields = {
            "model": self._model,
            "messages": list(messages),
            self._options.get("tokens_field", "max_tokens"): tokens,
        }
        if logprobs:
            top = int(self._options.get("top_logprobs", TOP_LOGPROBS))
            body |= {"logprobs": True, "top_logprobs": top}
        if choices and self._constrain:
            body |= CONSTRAINTS[self._constrain](choices, self._options)
        body |= self._fields
        return {name: value for name, value in body.items() if value is not None}

    def completion(self, reply: Fields) -> Completion:
        """What a reply says.

        Raises:
            ProviderError: it holds no message.
        """
        try:
            choice = reply["choices"][0]
            message = choice["message"]
        except (KeyError, IndexError, TypeError):
            message = None
        if not isinstance(message, dict):
            raise errors.error(errors.NOT_JSON, "the reply holds no message")
        text = self.wire.clean(_text(message.get("content")))
        refusal = message.get("refusal")
        finish = str(choice.get("finish_reason") or "")
        wrapped = self._constrain == "response_format"
        text = _unwrapped(text) if wrapped else text
        usage = reply.get("usage") if isinstance(reply.get("usage"), dict) else {}
        return Completion(
            text=text or (self.wire.clean(refusal) if isinstance(refusal, str) else ""),
            top=_alternatives(choice.get("logprobs"), text if wrapped else "", self.wire.clean),
            input_tokens=tokens(usage, "prompt_tokens"),
            output_tokens=tokens(usage, "completion_tokens"),
            provider_id=self.wire.clean(str(reply.get("id") or ""))[:200],
            finish_reason=finish,
            refused=bool(refusal) or finish == "content_filter",
        )

    async def close(self) -> None:
        await self.wire.close()


def tokens(usage: Any, *names: str) -> int | None:
    """The sum of counts, of which the first has to be told; None where it is no count."""
    found = [usage.get(name) if isinstance(usage, dict) else None for name in names]
    counts = [each if isinstance(each, int) and each >= 0 else None for each in found]
    if counts[0] is None or isinstance(found[0], bool):
        return None
    return min(sum(each for each in counts if each is not None), MOST_TOKENS)


def _text(content: Any) -> str:
    """Text of a message: a string, or parts of which some are text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "".join(part for part in parts if isinstance(part, str))


def _unwrapped(text: str) -> str:
    """The label of {"verdict": label}."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    verdict = found.get("verdict") if isinstance(found, dict) else None
    return verdict if isinstance(verdict, str) else text


def _alternatives(logprobs: Any, label: str, clean: Callable[[str], str]) -> list[Fields]:
    """Alternatives of the token that carries the verdict: `{"token", "logprob"}`.

    That is the first token that is the label, where it was wrapped; else the first one that is not
    blank.
    """
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    listed = content if isinstance(content, list) else []
    positions = [each for each in listed if isinstance(each, dict)]
    said = [str(each.get("token", "")).strip(' "\n') for each in positions]
    carrier = next((i for i, token in enumerate(said) if token and token == (label or token)), None)
    top = positions[carrier].get("top_logprobs") if carrier is not None else None
    return [
        {"token": clean(str(entry.get("token", "")))[:MOST_CHARACTERS], "logprob": logprob}
        for entry in (top if isinstance(top, list) else [])[:MOST_ALTERNATIVES]
        if isinstance(entry, dict) and (logprob := _finite(entry.get("logprob"))) is not None
    ]


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
