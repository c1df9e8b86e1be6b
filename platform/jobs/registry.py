"""Which function runs which kind of job. Rooms register their kinds in `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.exceptions import InvalidInput
from webhooks.events import JOB

if TYPE_CHECKING:
    # Imported by `apps.py` of every room, before models can be.
    from .context import JobContext

Run = Callable[["JobContext"], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """`event` is what webhooks are told when such a job ends; blank where nobody is."""

    name: str
    run: Run
    queue: str
    event: str


_KINDS: dict[str, Kind] = {}


def register(name: str, run: Run, *, queue: str = "default", event: str = JOB) -> None:
    """Make `submit(kind=name)` possible. `run` gets a context and returns the job's result."""
    _KINDS[name] = Kind(name, run, queue, event)


def event_of(name: str) -> str:
    """What webhooks are told when a job of this kind ends."""
    known = _KINDS.get(name)
    return known.event if known else JOB


def kind(name: str) -> Kind:
    """The registered kind.

    Raises:
        InvalidInput: nothing of that name is registered.
    """
    try:
        return _KINDS[name]
    except KeyError:
        known = ", ".join(sorted(_KINDS))
        raise InvalidInput(f"There is no job kind {name!r}; known kinds: {known}.") from None
