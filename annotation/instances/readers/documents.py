"""JSON: a list of objects, an object of which one key holds such a list, or objects in a row.

The text is cut at the borders of rows by its brackets and quotes alone, so that a file needs no
more memory than its longest row, and a broken row spoils no other.
"""

import io
import re
from collections.abc import Iterator
from contextlib import suppress

from annotation.instances.lines import Line

from . import values
from .opening import Damaged, Source, block_of
from .values import parse_line

# Strings (possessive: a text without its end is found out in one go), brackets and separators.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[{}\[\],]', re.DOTALL)
_KEY = re.compile(rb'"([^"\\]{0,100})"\s*:\s*$')
# Lists of objects under these names are parts of a row, never rows.
PARTS = frozenset(
    b"responses human ai prompt context messages chosen rejected completions conversation "
    b"conversations turns replies generations outputs annotations predictions fields".split()
)


def rows(source: Source) -> Iterator[Line]:
    """One for every row, numbered by its place."""
    for number, raw in enumerate(_cut(source), 1):
        if raw is None:
            yield Line(number, None, f"the row is longer than {values.MAX_LINE_BYTES // 2**20} MiB")
        else:
            yield parse_line(number, raw)


def count(source: Source) -> int:
    """Rows, as far as the file can be read."""
    number = 0
    with suppress(Damaged):
        for number, _ in enumerate(_cut(source), 1):
            if number > values.MAX_ROWS:
                break
    return number


def _cut(source: Source) -> Iterator[bytes | None]:
    with source.opened() as file:
        yield from _Cutter(file).rows()


class _Cutter:
    """Walks from token to token; `at` is behind the last one.

    `level` is the depth on which rows stand (None: what is left of a file whose rows are over),
    and `row` is where the row in hand begins in `text`, if one is.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file
        self.text = b""
        self.at = self.depth = 0
        self.level: int | None = 0
        self.row: int | None = None
        self.overlong = False
        # A list under a key has begun: it is one of rows if an object follows at once.
        self.begun = False

    def rows(self) -> Iterator[bytes | None]:
        """The text of every row; None for one that is too long."""
        while (token := self._next()) is not None:
            gap, start, mark = token
            if gap.strip() and self.depth == self.level:
                yield gap
            if mark in b"{[":
                self._open(start, mark)
            elif mark in b"}]":
                closed = self._close()
                if closed and self.row is not None:
                    yield self._row(self.row)
            elif mark == b'"' and self.depth == self.level:
                yield self.text[start : self.at]
            self.begun = self.begun and mark == b"["
        if self.depth:
            raise Damaged("the JSON ends in the middle")
        if rest := self.text[self.at :].strip():
            yield rest

    def _open(self, start: int, mark: bytes) -> None:
        if self.depth == self.level == 0 and mark == b"[":
            self.level = 1
        elif self.begun and mark == b"{":
            # What stood before the list was the file's, not a row's.
            self.level, self.row, self.overlong = self.depth, start, False
        elif self.depth == self.level:
            self.row, self.overlong = start, False
        elif mark == b"[" and self.depth == 1 and self.level == 0 and self.row is not None:
            key = _KEY.search(self.text, max(self.row, start - 200), start)
            self.begun = key is not None and key[1] not in PARTS
        self.depth += 1

    def _close(self) -> bool:
        """Go up by one level; whether the row in hand ends there."""
        if self.depth == 0:
            raise Damaged("malformed JSON: a bracket closes that was never opened")
        self.depth -= 1
        if self.level is not None and self.depth < self.level:
            self.level = None
        if self.depth == 0 and self.level is None:
            self.level = 0
        return self.depth == self.level

    def _row(self, start: int) -> bytes | None:
        self.row = None
        overlong = self.overlong or self.at - start > values.MAX_LINE_BYTES
        return None if overlong else self.text[start : self.at]

    def _next(self) -> tuple[bytes, int, bytes] | None:
        """What stood before the next token, where it starts, and its first byte."""
        while True:
            found = _TOKEN.search(self.text, self.at)
            if found is not None and found[0] != b'"':
                gap = self.text[self.at : found.start()] if self.depth == self.level else b""
                self.at = found.end()
                return gap, found.start(), self.text[found.start() : found.start() + 1]
            if len(self.text) - self.at > values.MAX_LINE_BYTES:
                raise Damaged("malformed JSON: a value is too long, or has no end")
            if not self._more():
                if found is not None:
                    raise Damaged("the JSON ends in the middle of a text")
                return None

    def _more(self) -> bool:
        """Read on; what no row needs any more is let go."""
        block = block_of(self.file)
        if self.row is not None and self.at - self.row > values.MAX_LINE_BYTES:
            self.overlong, self.row = True, self.at
        begin = self.at if self.row is None else self.row
        self.text = self.text[begin:] + block
        self.at -= begin
        self.row = None if self.row is None else 0
        return bool(block)
