"""What a source of verdicts is: one small interface, whoever answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from annotation.judges.models import CallPurpose, CallState, Failure, Judge, Shape
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput


@dataclass(frozen=True)
class Question:
    """One question in one order; the order is empty where an imported label did not name it.

    `key` is the cache key: a call with this key is made once. `attempt` 1 repeats a question
    whose reply could not be parsed. `ceiling`: most micros it can cost, reserved beforehand;
    `tokens`: most tokens it can use, for the rate limit. `choices`: the labels a constrained
    verdict may take. `examples`: instances shown with their human labels. `purpose`: tags are
    about an instance and no criterion.
    """

    instance_id: int | None
    shown_order: tuple[int, ...]
    key: str
    shape: Shape = Shape.PAIR
    messages: tuple[dict[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    max_tokens: int = 0
    examples: tuple[int, ...] = ()
    attempt: int = 0
    ceiling: int = 0
    tokens: int = 0
    purpose: CallPurpose = CallPurpose.LABEL


@dataclass(frozen=True)
class Completion:
    """What a chat model said. `top`: alternatives of the first token, `{"token", "logprob"}`.

    Tokens are None where the provider told no usage.
    """

    text: str
    top: list[dict[str, Any]] = field(default_factory=list)
    input_tokens: int | None = None
    output_tokens: int | None = None
    provider_id: str = ""
    finish_reason: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Reply:
    """What came back for one question; only `ANSWERED` holds a verdict.

    `ranking` and `scores` have one value per completion shown, by ascending canonical position.
    """

    state: CallState
    failure: Failure | str = ""
    text: str = ""
    ranking: tuple[int, ...] = ()
    scores: tuple[float | None, ...] = ()
    p_first: float | None = None
    confidence: float | None = None
    logprobs: list[dict[str, Any]] | None = None
    rationale: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    milliseconds: int = 0
    price_micros: int = 0
    provider_id: str = ""
    error: str = ""


class ProviderError(Exception):
    """One attempt gave no reply.

    `retry`: asking again may help; `wait`: seconds the provider named. `unknown`: the question
    was sent and may have been charged, so that it is asked again only with an idempotency key or
    on request. Otherwise nothing is owed.
    """

    def __init__(
        self,
        failure: Failure,
        message: str,
        *,
        retry: bool = False,
        wait: float | None = None,
        unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry = retry
        self.wait = wait
        self.unknown = unknown


class Chat(Protocol):
    """A chat model behind some wire format. One instance serves all calls of a run."""

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
        ...

    async def close(self) -> None: ...


class Provider(Protocol):
    """A source of verdicts for one judge and one criterion.

    `buys`: an answer is bought outside, so calls are written as in flight before they are made.
    `concurrency`: questions that may be in flight at once.
    """

    buys: bool
    concurrency: int

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        """What has to be asked about these instances in all orders; may read the database."""
        ...

    def again(self, question: Question) -> Question | None:
        """The question to ask once more after a reply that could not be parsed."""
        ...

    async def answer(self, question: Question) -> Reply:
        """One attempt; touches no database.

        Raises:
            ProviderError: as its docstring says.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...


Factory = Callable[[Judge, Criterion], Provider]
_factories: dict[str, Factory] = {}


def register(kind: str, factory: Factory) -> None:
    """Say who makes the providers of a kind; an upper room calls this in its `ready`."""
    _factories[kind] = factory


def provider_of(judge: Judge, criterion: Criterion) -> Provider:
    """The provider a judge names.

    Raises:
        InvalidInput: nothing here answers for that kind.
    """
    factory = _factories.get(judge.provider)
    if factory is None:
        raise InvalidInput(
            f"Judges of the kind {judge.provider!r} cannot be asked by this installation."
        )
    return factory(judge, criterion)
