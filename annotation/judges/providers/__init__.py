"""Where verdicts come from: one interface, one module per source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from annotation.judges.models import CallState, Judge
from annotation.judges.models import Provider as ProviderName
from annotation.projects.models import Criterion


@dataclass(frozen=True)
class Question:
    """One question in one order; the order is empty where an imported label did not name it.

    `key` is the cache key: a call with this key is made once. `attempt` 1 repeats a question
    whose reply could not be parsed. `ceiling`: most micros it can cost, reserved beforehand.
    """

    instance_id: int
    shown_order: tuple[int, ...]
    key: str
    messages: tuple[dict[str, str], ...] = ()
    attempt: int = 0
    ceiling: int = 0


@dataclass(frozen=True)
class Reply:
    """What came back for one question; only `ANSWERED` has a ranking (canonical positions)."""

    state: CallState
    text: str = ""
    ranking: tuple[int, ...] = ()
    p_first: float | None = None
    logprobs: list[dict[str, Any]] | None = None
    rationale: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    milliseconds: int = 0
    price_micros: int = 0
    error: str = ""


class Provider(Protocol):
    """A source of verdicts for one judge and one criterion.

    `buys`: an answer is bought outside, so calls are written as in flight before they are made.
    `window`: instances asked together.
    """

    buys: bool
    window: int

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        """What has to be asked about these instances, both orders."""
        ...

    def answers(self, questions: Sequence[Question]) -> Iterator[tuple[Question, Reply]]:
        """The replies, in any order, as they come; never raises for a single failed question."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def provider_of(judge: Judge, criterion: Criterion) -> Provider:
    """The provider a judge names."""
    from .openai_compatible import OpenAICompatible  # noqa: PLC0415 - httpx only where it is used
    from .recorded_old import Recorded  # noqa: PLC0415

    if judge.provider == ProviderName.RECORDED:
        return Recorded(judge, criterion)
    return OpenAICompatible(judge, criterion)
