"""Rows as text: JSON Lines and CSV."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from core.spreadsheets import ESCAPE_COLUMN, ESCAPED, MARK

from .columns import is_nested, is_text, json_text, lines
from .streams import Stream


class JsonLines:
    """One JSON object per line, without ASCII escapes."""

    def __init__(self, path: Path) -> None:
        self._file = Stream(path)

    def write(self, table: pa.Table, splits: Any) -> None:
        text = lines(table)
        # The lines lie one behind the other in memory: they are the file.
        _, offsets, data = text.buffers()
        ends = memoryview(offsets).cast("i")
        self._file.write(memoryview(data)[ends[text.offset] : ends[text.offset + len(text)]])

    def close(self) -> None:
        self._file.close()


class Csv:
    """Lists and objects are JSON text in their cell, null is an empty cell, "" a quoted one.

    A text that a spreadsheet would run gets a leading ', and so does one that begins with such a
    ' already: `core.spreadsheets.as_written` takes it away again without loss.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = Stream(path)
        cells = [(field.name, _cell_type(field.type)) for field in schema]
        cells.append((ESCAPE_COLUMN, pa.string()))
        self._writer = pa_csv.CSVWriter(self._file.file, pa.schema(cells))

    def write(self, table: pa.Table, splits: Any) -> None:
        cells = [cells_of(column.combine_chunks()) for column in table.columns]
        marks = pa.array([MARK] * len(table), pa.string())
        names = [*table.column_names, ESCAPE_COLUMN]
        self._writer.write_table(pa.table([*cells, marks], names=names))

    def close(self) -> None:
        self._writer.close()
        self._file.close()


def _cell_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if is_nested(kind) else kind


def cells_of(column: Any) -> Any:
    """A column as CSV cells that no spreadsheet runs; numbers stay numbers."""
    if is_nested(column.type):
        return pc.if_else(pc.is_valid(column), json_text(column), None)
    if not is_text(column.type):
        return column
    risky = pc.match_substring_regex(column, ESCAPED)
    return pc.if_else(risky, pc.binary_join_element_wise(MARK, column, ""), column)
