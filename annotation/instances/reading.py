"""Lines of an interchange file (`.jsonl` or `.jsonl.gz`), read as a stream.

A bad line never stops the file: it comes out with its number and a reason.

| input                                   | outcome                                             |
|-----------------------------------------|-----------------------------------------------------|
| malformed JSON, or JSON but no object   | error on that line, the next line is read           |
| NaN, Infinity, a number beyond a double | error: JSON has no such numbers                     |
| NUL byte, raw or as `\\u0000`            | error: PostgreSQL stores no NUL                     |
| half a surrogate pair (`\\ud800`)        | error: it is no Unicode text                        |
| invalid UTF-8                           | error that names the byte                           |
| line over `MAX_LINE_BYTES`              | error; the rest of the line is passed over unstored |
| blank line, byte order mark             | passed over                                         |
| gzip cut off or damaged                 | error after the last whole line; reading ends there |

`count_lines` refuses a file as a whole when it unpacks to more than `MAX_BYTES` or `MAX_LINES`.
"""

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.exceptions import InvalidInput, NotFound

# One line may be this long; it bounds the memory that a hostile file can take.
MAX_LINE_BYTES = 16 * 1024 * 1024
# A whole file, unpacked: a megabyte of gzip can hold a gigabyte of nothing.
MAX_BYTES = 8 * 2**30
MAX_LINES = 5_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Line:
    """One line of a file: its value, or what is wrong with it."""

    number: int
    value: dict[str, Any] | None
    error: str | None = None


def read_records(path: Path | str) -> Iterator[Line]:
    """Every line that is not blank, numbered from 1.

    Raises:
        NotFound: there is no such file, or it cannot be opened.
    """
    with _opened(Path(path)) as file:
        yield from _lines(file)


def count_lines(path: Path | str, check: Callable[[], object] | None = None) -> int:
    """How many lines there are, as far as the file can be read: the total of a progress bar.

    `check` is called every few megabytes; what it raises stops the counting.

    Raises:
        InvalidInput: the file is too large to import in one go.
    """
    lines = size = 0
    with _opened(Path(path)) as file, suppress(*DAMAGED):
        while block := file.read(2**24):
            if check is not None:
                check()
            lines += block.count(b"\n")
            size += len(block)
            if lines > MAX_LINES or size > MAX_BYTES:
                raise InvalidInput(
                    f"The file unpacks to more than {MAX_BYTES // 2**30} GiB or {MAX_LINES:,} "
                    "lines: split it, or look whether it is what it should be."
                )
    return lines


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    try:
        raw = path.open("rb")
    except OSError as error:
        raise NotFound(f"Cannot read {path.name}: {error.strerror}.") from error
    with raw:
        if path.suffix == ".gz":
            with gzip.open(raw) as unpacked:
                yield unpacked
        else:
            yield raw


def _lines(file: IO[bytes] | gzip.GzipFile) -> Iterator[Line]:
    number = 0
    while True:
        number += 1
        try:
            raw = file.readline(MAX_LINE_BYTES + 1)
            too_long = len(raw) > MAX_LINE_BYTES
            if too_long:
                _pass_over(file, raw)
        except DAMAGED as error:
            yield Line(number, None, f"the gzip file is damaged or cut off here ({error})")
            return
        if not raw:
            return
        if too_long:
            yield Line(number, None, f"the line is longer than {MAX_LINE_BYTES // 2**20} MiB")
        elif text := raw.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").strip():
            yield parse_line(number, text)


def _pass_over(file: IO[bytes] | gzip.GzipFile, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(2**20)


def parse_line(number: int, raw: bytes) -> Line:
    """The JSON object in `raw`, or the reason why there is none."""
    try:
        value = json.loads(raw.decode(), parse_float=_finite, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Line(number, None, _reason(error))
    if not isinstance(value, dict):
        return Line(number, None, "the line is JSON but not an object { … }")
    if b"\\u" in raw and (reason := unstorable(value)):
        return Line(number, None, reason)
    return Line(number, value)


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
        elif any("\ud800" <= character <= "\udfff" for character in leaf):
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
