"""What an adapter is: how a format is recognised, and one of its rows in interchange form."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Options = Mapping[str, Any]
# One instance of the interchange format, or as much of it as one row tells.
Instance = dict[str, Any]


class Unfit(ValueError):
    """A row that is not of its format; says what is missing or wrong."""


@dataclass(frozen=True)
class Guess:
    """A format that a sample looks like; `confidence` from 0 to 1."""

    adapter: str
    confidence: float
    why: str


@dataclass(frozen=True)
class Adapter:
    """A file format of preference data.

    `fits` tells by field names and by the shape of their values whether a row is of the format;
    `confidence` is how sure that makes, less where other formats look alike. `instances` raises
    Unfit. `joins` gives the key of instances of consecutive rows that belong together: their
    completions and labels become one instance. `gathers` gives the key of rows that belong together
    before that: `instances` gets consecutive ones at once, as {"rows": [...]}. With `names` an
    instance without an id gets one made of its content.
    """

    name: str
    title: str
    reads: str
    recognised_by: str
    fits: Callable[[Row], bool]
    confidence: float
    instances: Callable[[Row, Options], Iterable[Instance]]
    licence: str = ""
    joins: Callable[[Instance], Hashable] | None = None
    gathers: Callable[[Row], Hashable] | None = None
    names: bool = True
