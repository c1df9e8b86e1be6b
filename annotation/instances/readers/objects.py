"""JSON Lines: one object on each line."""

import io
from collections.abc import Iterator
from contextlib import suppress

from annotation.instances.lines import Line

from . import values
from .opening import BYTE_ORDER_MARK, Damaged, Source
from .values import parse_line


def rows(source: Source) -> Iterator[Line]:
    """One for every line that is not blank; a line over `MAX_LINE_BYTES` is passed over."""
    number = 0
    with source.opened() as file:
        while raw := file.readline(values.MAX_LINE_BYTES + 1):
            number += 1
            if len(raw) > values.MAX_LINE_BYTES:
                _pass_over(file, raw)
                yield Line(number, None, too_long())
            elif text := raw.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").strip():
                yield parse_line(number, text)


def count(source: Source) -> int:
    """Lines, blank ones too."""
    lines, last = 0, b"\n"
    with source.opened() as file, suppress(Damaged):
        while block := file.read1(2**20):
            lines += block.count(b"\n")
            last = block[-1:]
            if lines > values.MAX_ROWS:
                break
    return lines + (last != b"\n")


def too_long() -> str:
    """What is said of a row that is too long."""
    return f"the line is longer than {values.MAX_LINE_BYTES // 2**20} MiB"


def _pass_over(file: io.BufferedReader, raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(2**20)
