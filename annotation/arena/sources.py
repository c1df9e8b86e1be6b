"""Who can answer in an arena: one interface. Upper rooms register theirs in `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.exceptions import InvalidInput

if TYPE_CHECKING:
    # Imported by `apps.py` of upper rooms, before models can be.
    from accounts.models import Project
    from jobs.context import JobContext

    from .models import Contestant

ENDPOINT = "endpoint"
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Question:
    """One side's conversation so far, the visitor's prompt last."""

    contestant: Contestant
    messages: Messages
    most_tokens: int


@dataclass(frozen=True)
class Said:
    """An answer and the tokens it took; tokens are 0 where nobody counted them."""

    text: str
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Choice:
    """Something a source can run in a project."""

    reference: int
    name: str


@dataclass(frozen=True)
class Source:
    """A kind of contestant that runs on this installation and costs nothing per token.

    `choices` lists what there is in a project; `answer` runs one of it inside a job, whose context
    is its own (a folder, progress, cancel), and raises `ApplicationError` where it cannot.
    `queue` names the workers that can run it.
    """

    queue: str
    choices: Callable[[Project], list[Choice]]
    answer: Callable[[Question, JobContext], Said]


_SOURCES: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """Make contestants of this source possible."""
    _SOURCES[name] = source


def source(name: str) -> Source:
    """The registered source.

    Raises:
        InvalidInput: nothing of that name is registered.
    """
    if name not in _SOURCES:
        raise InvalidInput(f"This installation has no source of answers named {name!r}.")
    return _SOURCES[name]


def registered() -> dict[str, Source]:
    """Every source but endpoints, by name."""
    return dict(_SOURCES)
