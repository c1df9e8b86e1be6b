"""Parquet: one file, or several of so many rows each, and the folder that the Hub knows."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.files import sync

# A row group is held in memory while it is written: so many rows at most, and so many bytes.
GROUP_ROWS = 32_768
GROUP_BYTES = 16 * 2**20
# The split of rows that belong to none: gold, and what only the labels know.
NO_SPLIT = "unsplit"


class Shards:
    """zstd Parquet files of at most `most` rows, named when their number is known."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, most: int) -> None:
        self._folder, self._name, self._schema, self._most = folder, name, schema, most
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._parts: list[Path] = []
        self._rows = 0

    def write(self, table: pa.Table, splits: Any = None) -> None:
        while self._rows + len(table) > self._most:
            room = self._most - self._rows
            self._append(table.slice(0, room))
            table = table.slice(room)
            self._finish()
        self._append(table)

    def _append(self, table: pa.Table) -> None:
        self._rows += len(table)
        self._waiting.append(table)
        rows = sum(len(each) for each in self._waiting)
        if rows >= GROUP_ROWS or sum(each.nbytes for each in self._waiting) >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._parts.append(self._folder / f"{self._name}.{len(self._parts)}.part")
            self._writer = pq.ParquetWriter(self._parts[-1], self._schema, compression="zstd")
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []

    def _finish(self) -> None:
        """Close the file that is being written."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            sync(self._parts[-1])
        self._writer, self._rows = None, 0

    def close(self, *, numbered: bool = False) -> None:
        """`numbered`: also a single file says which of how many it is."""
        if self._rows or not self._parts:
            self._finish()
        count = len(self._parts)
        for number, part in enumerate(self._parts):
            place = f"-{number:05d}-of-{count:05d}" if numbered or count > 1 else ""
            part.rename(self._folder / f"{self._name}{place}.parquet")
        sync(self._folder)


class HubFolder:
    """`data/<split>-00000-of-00002.parquet`, as `datasets.load_dataset(folder)` opens it."""

    def __init__(self, folder: Path, schema: pa.Schema, most: int) -> None:
        self._folder, self._schema, self._most = folder / "data", schema, most
        self._folder.mkdir()
        self._splits: dict[str, Shards] = {}

    def write(self, table: pa.Table, splits: Any) -> None:
        if splits is None:
            self._of("train").write(table)
            return
        for split in pc.unique(splits).to_pylist():
            rows = table.filter(pc.equal(splits, split))
            self._of(split or NO_SPLIT).write(rows)

    def _of(self, split: str) -> Shards:
        if split not in self._splits:
            self._splits[split] = Shards(self._folder, split, self._schema, self._most)
        return self._splits[split]

    def close(self) -> None:
        for shards in self._splits.values():
            shards.close(numbered=True)
