"""A judge that is a chat model: what is asked and how it is read, over one of the wire formats."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings

from annotation.judges.asking import Asker, asker_of
from annotation.judges.asking.setup import OPERATION, PROTOCOL
from annotation.judges.models import Connection, Judge, Provider
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from core.network import Reach, check_url
from core.secrets import decrypt

from .anthropic import VERSION, AnthropicChat
from .base import Chat, Question, Reply
from .batches import AnthropicBatches, BatchClient, OpenAIBatches
from .openai_chat import OPTIONS, OpenAIChat
from .wire import Wire

# Parameters of a judge that are no fields of the request: how it is reached, and how it is asked.
OURS = OPTIONS | OPERATION | PROTOCOL | {"max_tokens"}
# Fields that would ask something else than what was written down, or make it dearer than what was
# set aside for it.
KEPT = frozenset({"model", "messages", "system", "stream", "n", "best_of", "max_completion_tokens"})


class ChatProvider:
    """Joins what is asked with a chat model."""

    buys = True

    def __init__(self, asker: Asker, chat: Chat, *, concurrency: int) -> None:
        self.asker = asker
        self.chat = chat
        self.concurrency = concurrency

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        return self.asker.questions(instance_ids)

    def again(self, question: Question) -> Question | None:
        return self.asker.again(question)

    async def answer(self, question: Question) -> Reply:
        """One attempt; touches no database.

        Raises:
            ProviderError: as its docstring says.
        """
        if refusal := self.asker.refusal(question):
            return refusal
        started = time.monotonic()
        completion = await self.chat.complete(
            messages=question.messages,
            max_tokens=question.max_tokens,
            # Labels to choose from are one token, whose alternatives are the verdict.
            logprobs=bool(question.choices),
            choices=question.choices,
            idempotency_key=question.key,
        )
        return self.asker.read(question, completion, round((time.monotonic() - started) * 1000))

    async def close(self) -> None:
        await self.chat.close()


def provider(judge: Judge, criterion: Criterion) -> ChatProvider:
    """The provider of a judge of the kinds openai-compatible and anthropic.

    Raises:
        InvalidInput: the judge has no address, or its key cannot be read any more.
    """
    connection = judge.connection or _unsaved(judge)
    chat = chat_of(connection, judge.model, judge.parameters)
    return ChatProvider(asker_of(judge, criterion), chat, concurrency=connection.concurrency)


def batches(judge: Judge) -> BatchClient:
    """The batch endpoint of a judge; `asking.read` reads what it says.

    Raises:
        InvalidInput: its connection has none, or cannot be used.
    """
    connection = judge.connection
    if connection is None or not connection.batches:
        raise InvalidInput(
            f"The judge {judge.name!r} has no batch endpoint: say so at its connection if the "
            "provider has one."
        )
    chat = chat_of(connection, judge.model, judge.parameters)
    return OpenAIBatches(chat) if isinstance(chat, OpenAIChat) else AnthropicBatches(chat)


def _unsaved(judge: Judge) -> Connection:
    """How a judge without a connection is reached: by its parameters, or by the settings."""
    options = judge.parameters
    base_url = options.get("base_url") or settings.JUDGE_BASE_URL
    if not base_url:
        raise InvalidInput(
            f"The judge {judge.name!r} has no address: give it a connection, or set JUDGE_BASE_URL."
        )
    return Connection(
        project=judge.project,
        name=judge.name,
        provider=judge.provider,
        base_url=base_url,
        concurrency=int(options.get("concurrency", 4)),
        timeout_seconds=int(options.get("timeout", 120)),
        attempts=int(options.get("attempts", 5)),
        requests_per_minute=int(options.get("rpm", 0)),
        tokens_per_minute=int(options.get("tpm", 0)),
    )


def chat_of(
    connection: Connection, model: str, parameters: dict[str, Any] | None = None
) -> OpenAIChat | AnthropicChat:
    """A client of the connection's server; all calls of a run share it.

    Raises:
        InvalidInput: the address may not be asked, or the key cannot be read any more.
    """
    parameters = parameters or {}
    if kept := sorted(KEPT & set(parameters)):
        raise InvalidInput(
            f"The parameter {kept[0]!r} is not a judge's to set: one question has one reply, whose "
            "price is known beforehand. The most tokens of a reply are max_tokens."
        )
    wire = wire_of(connection)
    kind = AnthropicChat if connection.provider == Provider.ANTHROPIC else OpenAIChat
    return kind(
        wire,
        model=model,
        options={name: value for name, value in parameters.items() if name in OPTIONS},
        fields={name: value for name, value in parameters.items() if name not in OURS},
        idempotent=connection.idempotent,
    )


def wire_of(connection: Connection) -> Wire:
    """The way to the connection's server.

    Raises:
        InvalidInput: the address may not be asked, or the key cannot be read any more.
    """
    own = not connection.pk and connection.base_url == settings.JUDGE_BASE_URL
    key = settings.JUDGE_API_KEY.strip() if own else decrypt(connection.secret)
    reach = reach_of(connection.base_url)
    check_url(connection.base_url, reach)
    return Wire(
        connection.base_url,
        headers=_headers(connection.provider, key),
        key=key,
        timeout=float(connection.timeout_seconds),
        reach=reach,
    )


def reach_of(base_url: str) -> Reach:
    """The private places judges may be at: by the settings, JUDGE_BASE_URL among them."""
    reach = Reach.of(settings.JUDGE_PRIVATE_HOSTS)
    return reach.with_url(base_url) if base_url == settings.JUDGE_BASE_URL else reach


def _headers(provider: str, key: str) -> dict[str, str]:
    if provider == Provider.ANTHROPIC:
        return {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})
    return {"Authorization": f"Bearer {key}"} if key else {}
