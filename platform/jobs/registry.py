"""Which function runs which kind of job. Rooms register their kinds in `AppConfig.ready()`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.exceptions import InvalidInput

if TYPE_CHECKING:
    # Imported by `apps.py` of every room, before models can be.
    from .context import JobContext

Run = Callable[["JobContext"], dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    name: str
    run: Run
    queue: str


_KINDS: dict[str, Kind] = {}


def register(name: str, run: Run, *, queue: str = "default") -> None:
    """Make `submit(kind=name)` possible. `run` gets a context and returns the job's result."""
    _KINDS[name] = Kind(name, run, queue)


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
