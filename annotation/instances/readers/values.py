"""The value of one row: from JSON text, and what of it PostgreSQL can store. Pure.

| input                                   | outcome                                     |
|-----------------------------------------|---------------------------------------------|
| malformed JSON, or JSON but no object   | error                                       |
| NaN, Infinity, a number beyond a double | error: JSON has no such numbers             |
| NUL byte, raw or as `\\u0000`            | error: PostgreSQL stores no NUL             |
| half a surrogate pair (`\\ud800`)        | error: it is no Unicode text                |
| invalid UTF-8                           | error that names the byte                   |
| nested deeper than `MAX_DEPTH`          | error                                       |
"""

import json
import math
from collections.abc import Iterator
from typing import Any

import orjson

from annotation.instances.lines import Line

# One row may be this long; it bounds the memory that a hostile file can take.
MAX_LINE_BYTES = 16 * 1024 * 1024
# A whole file, unpacked: a megabyte of gzip can hold a gigabyte of nothing.
MAX_BYTES = 8 * 2**30
MAX_ROWS = 5_000_000
MAX_COLUMNS = 10_000
MAX_DEPTH = 100
# orjson reads whole numbers of more than 64 bits as doubles.
_LONG_NUMBER = b"0" * 19
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)


def parse_line(number: int, raw: bytes) -> Line:
    """The JSON object in `raw`, or the reason why there is none."""
    try:
        value = _parsed(raw)
    except (ValueError, RecursionError) as error:
        return Line(number, None, _reason(error))
    if not isinstance(value, dict):
        return Line(number, None, "the line is JSON but not an object { … }")
    if reason := _too_deep(raw, value) or (unstorable(value) if b"\\u" in raw else None):
        return Line(number, None, reason)
    return Line(number, value)


def _parsed(raw: bytes) -> Any:
    """Python's own reader is six times slower; it takes what orjson refuses, or says why."""
    if _LONG_NUMBER not in raw.translate(_DIGITS):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    return json.loads(raw.decode(), parse_float=_finite, parse_constant=_no_constant)


def _too_deep(raw: bytes, value: Any) -> str | None:
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return None
    return too_deep(value)


def too_deep(value: Any) -> str | None:
    """Why a value is nested too deeply; None where it is not. Needs no deep stack itself."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [each for outer in level for each in _inside(outer)]
        if not level:
            return None
    return f"nested too deeply: more than {MAX_DEPTH} levels"


def _inside(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        yield from (each for each in inner if isinstance(each, dict | list))


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"invalid UTF-8 at byte {error.start + 1} of the line"
        case json.JSONDecodeError():
            return f"malformed JSON: {error.msg} at column {error.colno}"
        case RecursionError():
            return "malformed JSON: nested too deeply"
        case _:
            return f"malformed JSON: {error}"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def unstorable(value: Any) -> str | None:
    """Why PostgreSQL cannot store a JSON value; None where it can."""
    for leaf in _leaves(value):
        if isinstance(leaf, float):
            if not math.isfinite(leaf):
                return f"{leaf} is not a JSON number"
        elif "\0" in leaf:
            return "a NUL character (\\u0000) cannot be stored: remove it"
        elif not leaf.isascii() and any("\ud800" <= each <= "\udfff" for each in leaf):
            return "half a surrogate pair (\\ud800–\\udfff) is not Unicode text"
    return None


def _leaves(value: Any) -> Iterator[str | float]:
    """Every text and every number with a point in a JSON value, keys included."""
    if isinstance(value, str | float):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
