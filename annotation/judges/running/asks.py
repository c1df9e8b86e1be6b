"""One question on its way from the plan to the books. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from annotation.judges.models import CallState
from annotation.judges.providers.base import Provider, ProviderError, Question, Reply
from annotation.projects.models import Criterion


@dataclass(frozen=True, eq=False)
class Source:
    """One criterion with whoever answers about it."""

    criterion: Criterion
    provider: Provider


@dataclass(eq=False)
class Ask:
    """One question, and what was tried so far.

    `call_id`: its row, once there is one; `sent`: how often it was asked; `waits`: how often the
    endpoint said to come back later. `held`: an earlier attempt may have been charged, so its
    money is set aside already and it can no longer become a mere failure.
    """

    source: Source
    question: Question
    call_id: int | None = None
    sent: int = 0
    attempts: int = 0
    waits: int = 0
    held: bool = False

    @property
    def subject(self) -> str:
        """Its name in the ledger."""
        return subject_of(self.call_id)


@dataclass(frozen=True)
class Outcome:
    """What one attempt came to: a reply, a stated error, or a fault in the provider's code."""

    ask: Ask
    reply: Reply | None = None
    error: ProviderError | None = None
    fault: Exception | None = None
    milliseconds: int = 0


def subject_of(call_id: int | None) -> str:
    """The name of a call in the ledger."""
    return f"judge-call:{call_id}"


def lost(ask: Ask, error: ProviderError, milliseconds: int) -> Reply:
    """What is written of an attempt without a reply: unknown where money may be gone."""
    return Reply(
        CallState.UNKNOWN if ask.held else CallState.FAILED,
        failure=error.failure,
        error=str(error),
        price_micros=ask.question.ceiling if ask.held else 0,
        milliseconds=milliseconds,
    )
