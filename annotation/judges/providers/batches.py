"""Many questions handed in together and answered within a day, for about half the price."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from annotation.judges.models import Failure

from . import errors
from .anthropic import AnthropicChat
from .base import Completion, ProviderError, Question
from .openai_chat import OpenAIChat, tokens
from .wire import Wire

Result = tuple[str, Completion | ProviderError]
Fields = dict[str, Any]


@dataclass(frozen=True)
class Status:
    """`word` is the provider's; `ended`: there will be no further results."""

    word: str
    ended: bool
    done: int = 0
    failed: int = 0


class BatchClient(Protocol):
    """The batch endpoint of a provider. `most_questions`: in one batch.

    All methods raise ProviderError; only that of `submit` may owe anything.
    """

    most_questions: int

    async def submit(self, questions: Sequence[Question], *, name: str) -> str:
        """Hand in questions; the provider's name for the batch. `name` is ours, for `find`."""
        ...

    async def find(self, name: str) -> str | None:
        """The batch handed in under our name, where the provider keeps it; to see after a crash
        whether handing in succeeded."""
        ...

    async def state(self, batch_id: str) -> Status: ...

    def results(self, batch_id: str) -> AsyncIterator[Result]:
        """What became of each question by its key, in any order, as it is read."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Ask for an end; what was answered before stays and is charged."""
        ...

    async def close(self) -> None: ...


class OpenAIBatches:
    """POST <base_url>/files and <base_url>/batches."""

    most_questions = 50_000
    ENDED = frozenset({"completed", "failed", "expired", "cancelled"})

    def __init__(self, chat: OpenAIChat) -> None:
        self._chat = chat
        self._wire = chat.wire

    async def submit(self, questions: Sequence[Question], *, name: str) -> str:
        content = b"".join(self._line(question) for question in questions)
        uploaded = await self._wire.upload("/files", "batch.jsonl", content, purpose="batch")
        made = await self._wire.post(
            "/batches",
            {
                "input_file_id": uploaded.get("id"),
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
                "metadata": {"tandem": name},
            },
        )
        return _id_of(made)

    def _line(self, question: Question) -> bytes:
        line = {
            "custom_id": question.key,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": self._chat.request(
                question.messages,
                question.max_tokens,
                logprobs=bool(question.choices),
                choices=question.choices,
            ),
        }
        return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

    async def find(self, name: str) -> str | None:
        listed = await self._wire.get("/batches?limit=100")
        data = listed.get("data")
        for each in data if isinstance(data, list) else ():
            kept = each.get("metadata") if isinstance(each, dict) else None
            if isinstance(kept, dict) and kept.get("tandem") == name:
                return _id_of(each)
        return None

    async def state(self, batch_id: str) -> Status:
        found = await self._wire.get(f"/batches/{batch_id}")
        word = self._wire.clean(str(found.get("status")))
        done, failed = (_count(found, name) for name in ("completed", "failed"))
        return Status(word, word in self.ENDED, done, failed)

    async def results(self, batch_id: str) -> AsyncIterator[Result]:
        found = await self._wire.get(f"/batches/{batch_id}")
        for name in ("output_file_id", "error_file_id"):
            if file := found.get(name):
                async for line in self._wire.lines(f"/files/{file}/content"):
                    yield str(line.get("custom_id")), self._result(line)

    def _result(self, line: Fields) -> Completion | ProviderError:
        response = line.get("response")
        if not isinstance(response, dict):
            return _unanswered(line.get("error"), self._wire)
        body, status = response.get("body"), response.get("status_code")
        if status != 200 or not isinstance(body, dict):
            code = status if isinstance(status, int) else 500
            return errors.of_status(code, {}, json.dumps(body).encode(), self._wire.key)
        try:
            return self._chat.completion(body)
        except ProviderError as problem:
            return problem

    async def cancel(self, batch_id: str) -> None:
        await self._wire.post(f"/batches/{batch_id}/cancel", {})

    async def close(self) -> None:
        await self._wire.close()


# HTTP status of Anthropic's types of error, which stand alone in the results of a batch.
TYPES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}


class AnthropicBatches:
    """POST <base_url>/messages/batches. It keeps no name of ours."""

    most_questions = 100_000

    def __init__(self, chat: AnthropicChat) -> None:
        self._chat = chat
        self._wire = chat.wire

    async def submit(self, questions: Sequence[Question], *, name: str) -> str:
        del name
        requests = [
            {
                "custom_id": question.key,
                "params": self._chat.request(
                    question.messages, question.max_tokens, choices=question.choices
                ),
            }
            for question in questions
        ]
        return _id_of(await self._wire.post("/messages/batches", {"requests": requests}))

    async def find(self, name: str) -> str | None:
        return None

    async def state(self, batch_id: str) -> Status:
        found = await self._wire.get(f"/messages/batches/{batch_id}")
        word = self._wire.clean(str(found.get("processing_status")))
        bad = sum(_count(found, name) for name in ("errored", "canceled", "expired"))
        return Status(word, word == "ended", _count(found, "succeeded"), bad)

    async def results(self, batch_id: str) -> AsyncIterator[Result]:
        async for line in self._wire.lines(f"/messages/batches/{batch_id}/results"):
            yield str(line.get("custom_id")), self._result(line.get("result"))

    def _result(self, result: Any) -> Completion | ProviderError:
        result = result if isinstance(result, dict) else {}
        if result.get("type") == "errored":
            return self._error(result.get("error"))
        if result.get("type") != "succeeded" or not isinstance(result.get("message"), dict):
            return _unanswered({"message": f"This request was {result.get('type')}."}, self._wire)
        try:
            return self._chat.completion(result["message"])
        except ProviderError as problem:
            return problem

    def _error(self, told: Any) -> ProviderError:
        inner = told.get("error", told) if isinstance(told, dict) else None
        kind = inner.get("type") if isinstance(inner, dict) else None
        status = TYPES.get(str(kind), 500)
        return errors.of_status(status, {}, json.dumps(told).encode(), self._wire.key)

    async def cancel(self, batch_id: str) -> None:
        await self._wire.post(f"/messages/batches/{batch_id}/cancel", {})

    async def close(self) -> None:
        await self._wire.close()


def _unanswered(told: Any, wire: Wire) -> ProviderError:
    """Expired or cancelled before its turn: not charged, and may be asked again."""
    message = told.get("message") if isinstance(told, dict) else None
    words = wire.clean(str(message or "it was not answered"))[: errors.EXCERPT]
    return ProviderError(Failure.SERVER, words, retry=True)


def _count(batch: Fields, name: str) -> int:
    """How many requests ended so, as far as the provider tells."""
    return tokens(batch.get("request_counts"), name) or 0


def _id_of(batch: Fields) -> str:
    found = batch.get("id")
    if not isinstance(found, str) or not found.replace("-", "").replace("_", "").isalnum():
        raise errors.error(errors.NOT_JSON, "the batch has no id")
    return found
