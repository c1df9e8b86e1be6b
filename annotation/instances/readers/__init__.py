"""Rows of a file, whatever its format, as a stream: memory does not depend on the file's size.

The first bytes decide the format, the name only where they leave a choice.

| first bytes                   | read as                                                        |
|-------------------------------|----------------------------------------------------------------|
| gzip, zstd                    | what they hold, by the same table; nested packing is refused   |
| `PAR1`                        | Parquet, row group by row group                                |
| `[` and `{`                   | JSON: every object of the list is a row                        |
| `{`                           | JSON Lines; JSON where the first line is no whole object: an   |
|                               | object that holds a list of rows, else one row after another   |
| other text, named .csv, .tsv  | a table whose first row names the columns                      |
| other text                    | JSON Lines, with an error for every line that is none          |
| a pickle, an archive, UTF-16, | refused as a whole, in words                                   |
| anything else that is no text |                                                                |

A bad row never stops a file: it comes out with its number and a reason. What ends the reading is
a damaged or cut off file (after its last whole row), and what refuses a file as a whole is more
than `MAX_BYTES`, `MAX_RATIO` or `MAX_ROWS` unpacked, or more than `MAX_COLUMNS` columns.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from annotation.instances.lines import Line
from core.exceptions import InvalidInput

from . import documents, objects, parquet, tables
from .opening import Damaged, Format, Source, recognised
from .values import MAX_ROWS, unstorable

__all__ = ["Line", "count_rows", "read_rows", "unstorable"]

_READERS = {
    Format.LINES: objects,
    Format.JSON: documents,
    Format.CSV: tables,
    Format.PARQUET: parquet,
}


def read_rows(path: Path | str, name: str = "") -> Iterator[Line]:
    """Every row that is not blank, numbered from 1; `name` is what the file was called.

    Raises:
        NotFound: there is no such file, or it cannot be opened.
        InvalidInput: the file is refused as a whole.
    """
    source = Source(Path(path), name)
    reader = _READERS[recognised(source)]
    number = 0
    try:
        for line in reader.rows(source):
            number = line.number
            if number > MAX_ROWS:
                raise InvalidInput(f"The file holds more than {MAX_ROWS:,} rows: split it.")
            yield line
    except Damaged as error:
        yield Line(number + 1, None, str(error))


def count_rows(path: Path | str, name: str = "", check: Callable[[], object] | None = None) -> int:
    """How many rows there are at most, as far as the file can be read: a progress bar's total.

    `check` is called every few megabytes; what it raises stops the counting.

    Raises:
        NotFound, InvalidInput: as `read_rows`.
    """
    source = Source(Path(path), name, check)
    rows = int(_READERS[recognised(source)].count(source))
    if rows > MAX_ROWS:
        raise InvalidInput(f"The file holds more than {MAX_ROWS:,} rows: split it.")
    return rows
