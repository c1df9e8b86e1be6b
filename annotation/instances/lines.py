"""What every stage of an import hands to the next. Pure."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of a file: its value, or what is wrong with it."""

    number: int
    value: dict[str, Any] | None
    error: str | None = None
