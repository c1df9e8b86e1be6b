"""Parquet, by row groups and small batches; what its metadata claims is checked before reading.

| input                                          | outcome                                      |
|------------------------------------------------|----------------------------------------------|
| damaged, cut off, encrypted                    | refused                                      |
| metadata over `MAX_FOOTER_BYTES`, over         | refused before it is read                    |
| `MAX_COLUMNS` columns, deeper than `MAX_DEPTH` |                                              |
| a row group over `MAX_GROUP_BYTES` unpacked,   | refused before it is read                    |
| more than `MAX_BYTES` in all, negative sizes   |                                              |
| times, dates                                   | ISO 8601                                     |
| decimals                                       | texts                                        |
| not-a-number                                   | null: so tools write a value that is missing |
| infinite numbers, bytes that are no UTF-8      | error on the row                             |
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from annotation.instances.lines import Line
from core.exceptions import ApplicationError, InvalidInput

from . import values
from .opening import Damaged, Source, block_of

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_FOOTER_BYTES = 2**24
MAX_GROUP_BYTES = 2**30
# Rows at a time: fewer where they are large.
BATCH_ROWS = 256
BATCH_BYTES = 2**24
_DAMAGED = "The Parquet file is damaged, cut off or encrypted"


def rows(source: Source) -> Iterator[Line]:
    """One for every row, numbered by its place."""
    number = 0
    with _plain(source) as raw:
        file = _checked(raw)
        for group in range(file.metadata.num_row_groups):
            for row in _rows_of(file, group, source):
                number += 1
                yield _line(number, row)


def count(source: Source) -> int:
    """Rows, as the metadata says."""
    with _plain(source) as raw:
        return int(_checked(raw).metadata.num_rows)


@contextmanager
def _plain(source: Source) -> Iterator[IO[bytes]]:
    """The file as it can be read from its end; a packed one is unpacked beside it."""
    with source.raw() as raw:
        packed = raw.read(4) != b"PAR1"
        raw.seek(0)
        if not packed:
            yield raw
            return
    with TemporaryFile(dir=source.path.parent) as unpacked, source.opened() as file:
        try:
            while block := block_of(file):
                unpacked.write(block)
        except Damaged as error:
            raise InvalidInput(f"{_DAMAGED}: {error}.") from error
        except OSError as error:
            raise ApplicationError(f"The file cannot be unpacked: {error.strerror}.") from error
        yield unpacked


def _checked(raw: IO[bytes]) -> "pq.ParquetFile":
    """The file, after a look at what it claims to be.

    Raises:
        InvalidInput: the file is refused.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - forty megabytes that other formats need not

    size = raw.seek(0, 2)
    raw.seek(max(0, size - 8))
    tail = raw.read(8)
    footer = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or footer + 12 > size:
        raise InvalidInput(f"{_DAMAGED}.")
    if footer > MAX_FOOTER_BYTES:
        raise InvalidInput(
            f"The Parquet file's metadata is larger than {MAX_FOOTER_BYTES // 2**20} MiB: it has "
            "too many columns or row groups."
        )
    raw.seek(0)
    try:
        file = pq.ParquetFile(
            raw,
            pre_buffer=False,
            buffer_size=2**16,
            thrift_string_size_limit=MAX_FOOTER_BYTES,
            thrift_container_size_limit=MAX_FOOTER_BYTES,
        )
        _check_claims(file.metadata)
        _check_names(file.schema_arrow.names)
    except (OSError, ValueError, MemoryError, NotImplementedError) as error:
        raise InvalidInput(f"{_DAMAGED} ({str(error)[:200]}).") from error
    return file


def _check_claims(metadata: Any) -> None:
    if metadata.num_columns > values.MAX_COLUMNS:
        raise InvalidInput(f"The Parquet file has more than {values.MAX_COLUMNS:,} columns.")
    for position in range(metadata.num_columns):
        if metadata.schema.column(position).path.count(".") > values.MAX_DEPTH:
            raise InvalidInput("The Parquet file's columns are nested too deeply.")
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    sizes = [_group_bytes(group) for group in groups]
    counts = [group.num_rows for group in groups]
    if min(counts, default=0) < 0 or sum(counts) != metadata.num_rows:
        raise InvalidInput(f"{_DAMAGED}: its row groups and its number of rows differ.")
    if max(sizes, default=0) > MAX_GROUP_BYTES:
        raise InvalidInput(
            f"A row group of the Parquet file unpacks to more than {MAX_GROUP_BYTES // 2**30} GiB: "
            "write it with smaller row groups."
        )
    if sum(sizes) > values.MAX_BYTES:
        raise InvalidInput(
            f"The file unpacks to more than {values.MAX_BYTES // 2**30} GiB: split it."
        )


def _group_bytes(group: Any) -> int:
    columns = [group.column(index) for index in range(group.num_columns)]
    sizes = [int(column.total_uncompressed_size) for column in columns]
    if min(sizes, default=0) < 0 or group.total_byte_size < 0:
        raise InvalidInput(f"{_DAMAGED}: it claims a size below zero.")
    return max(sum(sizes), int(group.total_byte_size))


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise InvalidInput("The Parquet file has two columns of the same name.")


def _rows_of(file: "pq.ParquetFile", group: int, source: Source) -> Iterator[dict[str, Any]]:
    claims = file.metadata.row_group(group)
    each = max(1, claims.total_byte_size // max(1, claims.num_rows))
    size = max(1, min(BATCH_ROWS, BATCH_BYTES // each))
    try:
        for batch in file.iter_batches(size, row_groups=[group], use_threads=False):
            if source.check is not None:
                source.check()
            # One by one: a short dictionary can stand for many long texts.
            for index in range(batch.num_rows):
                yield batch.slice(index, 1).to_pylist()[0]
    except (OSError, ValueError, MemoryError, NotImplementedError) as error:
        raise Damaged(f"the Parquet file is damaged here ({str(error)[:200]})") from error


def _line(number: int, row: dict[str, Any]) -> Line:
    try:
        value = {name: _json(each, name) for name, each in row.items()}
    except (InvalidInput, RecursionError) as error:
        return Line(number, None, getattr(error, "message", "nested too deeply"))
    reason = values.too_deep(value) or values.unstorable(value)
    return Line(number, None, reason) if reason else Line(number, value)


def _json(value: Any, name: str) -> Any:
    """The value as JSON has it."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {str(key): _json(each, name) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json(each, name) for each in value]
    return _text(value, name)


def _text(value: Any, name: str) -> str | float:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case timedelta():
            return value.total_seconds()
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise InvalidInput(f"column {name[:60]} holds bytes that are no text") from None
    raise InvalidInput(f"column {name[:60]} holds values of the type {type(value).__name__}")
