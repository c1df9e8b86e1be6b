"""JSON values into typed, frozen settings; what does not fit is refused by the field's name."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from pathlib import Path
from typing import Any, Literal

from training.errors import RefusalError

# No setting is sensible beyond it, and counters of the data base and of torch are this wide.
LARGEST = 2**31 - 1
MOST_SHOWN = 80


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        RefusalError: no file, no JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise RefusalError(
            f"There is no {path.name} in the work folder.", "Write the configuration there first."
        ) from error
    except ValueError as error:
        raise RefusalError(f"{path.name} is not JSON: {error}", "Mend the file.") from error
    if not isinstance(value, dict):
        raise RefusalError(f"{path.name} is not a JSON object.", "Mend the file.")
    return value


def build(kind: Any, values: Any, path: str) -> Any:
    """An instance of the dataclass `kind` from JSON values, checked field by field.

    Raises:
        RefusalError: naming the field by its path.
    """
    if not isinstance(values, dict):
        raise RefusalError(f"`{path}` must be an object.", "Write it with braces.")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            raise RefusalError(
                f"`{path}{name[:MOST_SHOWN]}` is not a setting.",
                f"The settings are: {', '.join(fields)}.",
            )
    for name, f in fields.items():
        needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise RefusalError(f"`{path}{name}` is missing.", f"Add `{path}{name}`.")
    return kind(**{n: _value(hints[n], v, f"{path}{n}") for n, v in values.items()})


def _value(hint: Any, value: Any, path: str) -> Any:
    if isinstance(hint, types.UnionType):
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        return None if value is None else _value(inner[0], value, path)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, f"{path}.")
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise RefusalError(
                f"`{path}` is {_shown(value)}.",
                f"Set it to one of: {', '.join(map(str, choices))}.",
            )
        return value
    if typing.get_origin(hint) is list and isinstance(value, list):
        inner = typing.get_args(hint)[0]
        return [_value(inner, part, f"{path}[{number}]") for number, part in enumerate(value)]
    expected = typing.get_origin(hint) or hint
    if expected is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _finite(value, path)
    if expected is int and isinstance(value, int) and abs(value) > LARGEST:
        raise RefusalError(f"`{path}` is {_shown(value)}.", f"Set it to at most {LARGEST}.")
    if not isinstance(value, expected) or (expected is not bool and isinstance(value, bool)):
        raise RefusalError(
            f"`{path}` is {_shown(value)}.", f"It must be of type {expected.__name__}."
        )
    return value


def _finite(value: float, path: str) -> float:
    """The number as a float; infinities, NaN and whole numbers beyond floats are refused."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise RefusalError(f"`{path}` is {_shown(value)}.", "Set it to a finite number.")
    return number


def _shown(value: Any) -> str:
    """A value as messages repeat it: not the megabytes that somebody may have sent."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
