"""CSV and TSV: the first row names the columns, every value is a text.

| input                                        | outcome                                        |
|----------------------------------------------|------------------------------------------------|
| separators: comma, tab, semicolon            | the one the first row has most of              |
| over `MAX_COLUMNS` columns, a column without | refused as a whole                             |
| a name, a name twice                         |                                                |
| more values than columns                     | error                                          |
| fewer values than columns                    | error                                          |
| invalid UTF-8                                | error on that row that names the file's byte   |
| a row over `MAX_LINE_BYTES`, quotes that     | error; for what has no end reading ends there  |
| are not closed                               |                                                |
| a last column `formula_escape`, as our       | texts as they were before they were kept from  |
| exports write it                             | being run as formulas; that column is left out |
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator

from annotation.instances.lines import Line
from core.exceptions import InvalidInput
from core.spreadsheets import ESCAPE_COLUMN, as_written

from . import values
from .objects import count as count_lines
from .opening import BYTE_ORDER_MARK, Damaged, Source

SEPARATORS = ",\t;"
csv.field_size_limit(values.MAX_LINE_BYTES)


def rows(source: Source) -> Iterator[Line]:
    """One for every row below the first, numbered by the line on which it ends."""
    with source.opened() as file:
        names, reader, text = _begun(file, source.suffix)
        while True:
            text.begin()
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(text.number, None, f"malformed CSV: {error}")
                continue
            if row:
                yield _line(names, row, text)


def count(source: Source) -> int:
    """Lines below the first: at least as many as rows."""
    with source.opened() as file:
        _begun(file, source.suffix)
    return max(0, count_lines(source) - 1)


class _Text:
    """The lines of a file as text, and the place of the first byte that was none."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file
        self.number = self.offset = self.length = 0
        self.fault = ""
        self.again: str | None = None

    def first(self) -> str:
        """The first line, which is read again."""
        raw = self.file.readline(values.MAX_LINE_BYTES + 1)
        if max(raw.count(mark.encode()) for mark in SEPARATORS) >= values.MAX_COLUMNS:
            raise InvalidInput(f"The table has more than {values.MAX_COLUMNS:,} columns.")
        self.again = self._decoded(raw.removeprefix(BYTE_ORDER_MARK))
        if self.fault:
            raise InvalidInput(f"The names of the columns are no text: {self.fault}.")
        return self.again

    def begin(self) -> None:
        self.length, self.fault = 0, ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.again is not None:
            text, self.again = self.again, None
            return text
        raw = self.file.readline(values.MAX_LINE_BYTES + 1)
        if not raw:
            raise StopIteration
        self.length += len(raw)
        if self.length > values.MAX_LINE_BYTES:
            most = values.MAX_LINE_BYTES // 2**20
            raise Damaged(f"a row is longer than {most} MiB, or its quotes are not closed")
        return self._decoded(raw)

    def _decoded(self, raw: bytes) -> str:
        self.number += 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            self.fault = f"invalid UTF-8 at byte {self.offset + error.start + 1} of the file"
            return raw.decode(errors="replace")
        finally:
            self.offset += len(raw)


def _begun(file: io.BufferedReader, suffix: str) -> tuple[list[str], Iterator[list[str]], _Text]:
    """The names of the columns, the rows below them, and the text these come from."""
    text = _Text(file)
    separator = _separator(text.first(), suffix)
    reader = csv.reader(text, delimiter=separator, strict=True)
    return _names(reader, text), reader, text


def _separator(head: str, suffix: str) -> str:
    if suffix in {".tsv", ".tab"}:
        return "\t"
    return max(SEPARATORS, key=head.count)


def _names(reader: Iterator[list[str]], text: _Text) -> list[str]:
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise InvalidInput(f"The names of the columns cannot be read: {error}.") from error
    # A name may hold a line break: the first line alone does not tell how many there are.
    if len(names) > values.MAX_COLUMNS:
        raise InvalidInput(f"The table has more than {values.MAX_COLUMNS:,} columns.")
    if "" in names or text.fault:
        raise InvalidInput(f"Column {names.index('') + 1} of the table has no name.")
    if twice := sorted(name for name, times in Counter(names).items() if times > 1)[:1]:
        raise InvalidInput(f"The table has two columns named {twice[0][:60]!r}.")
    return names


def _line(names: list[str], row: list[str], text: _Text) -> Line:
    reason = text.fault
    if not reason and len(row) != len(names):
        reason = f"the row has {len(row)} values for {len(names)} columns"
    if not reason and any("\0" in value for value in row):
        reason = "a NUL character cannot be stored: remove it"
    if reason:
        return Line(text.number, None, reason)
    if names[-1] == ESCAPE_COLUMN:
        names, row = names[:-1], [as_written(value) for value in row[:-1]]
    return Line(text.number, dict(zip(names, row, strict=True)))
