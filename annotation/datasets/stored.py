"""Reading a snapshot's files as the tables that shapes are made of, a batch at a time."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core import artifacts
from core.exceptions import NotFound

from . import files
from .models import Snapshot
from .releasing import Release
from .shapes import Shape, Source
from .shapes.cases import Labelled

# Rows that are read at once: few where they hold texts, many where they are short.
BATCH, LONG_BATCH = 256, 8_192
READ_BYTES = 256 * 1024

Row = dict[str, Any]
# (stored rows read, rows made of them, the split of each or None)
Batch = tuple[int, pa.Table, Any]


def sources_of(snapshot: Snapshot, shape: Shape) -> dict[str, Path]:
    """The files that this shape reads, by split (the labels have none).

    Raises:
        NotFound: they are gone, or from before there was this shape.
    """
    folder = artifacts.fetch(snapshot.folder)
    if not folder.is_dir():
        raise NotFound("The files of this snapshot are gone: build it again with the same query.")
    labels = {name: folder / f"{name}.parquet" for name in files.LABEL_FILES}
    if shape.reads == Source.LABELS:
        return {"": labels["annotations"]}
    if shape.reads == Source.CASES:
        if not labels["instances"].is_file():
            raise NotFound("This snapshot is from before there was this shape: build a new one.")
        return labels
    return {path.stem: path for path in sorted(folder.glob("*.parquet")) if path.stem not in labels}


def rows_in(sources: dict[str, Path]) -> int:
    """How many rows the files hold."""
    return sum(pq.read_metadata(path).num_rows for path in sources.values())


def tables(
    snapshot: Snapshot, shape: Shape, schema: pa.Schema, release: Release
) -> Iterator[Batch]:
    """The rows of a shape, in constant memory."""
    if shape.reads == Source.LABELS:
        yield from _long(snapshot, shape, schema, release)
        return
    made = _of_cases if shape.reads == Source.CASES else _of_rows
    for read, rows in made(snapshot, shape, release):
        table = pa.Table.from_pylist(rows, schema)
        yield read, table, table["split"] if "split" in schema.names else None


def _long(snapshot: Snapshot, shape: Shape, schema: pa.Schema, release: Release) -> Iterator[Batch]:
    """The labels as they are stored: whole columns, never a row."""
    for path in sources_of(snapshot, shape).values():
        for table in _tables(path, LONG_BATCH):
            whole = release.labels(_complete(table))
            mark = pa.array([snapshot.content_hash], pa.string()).take(
                pa.repeat(pa.scalar(0), len(whole))
            )
            yield len(whole), whole.append_column("snapshot", mark).select(schema.names), None


def _complete(table: pa.Table) -> pa.Table:
    """Files of before have fewer columns: what they lack is unknown."""
    for field in files.LABELS:
        if field.name not in table.schema.names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(files.LABELS.names)


def _of_rows(snapshot: Snapshot, shape: Shape, release: Release) -> Iterator[tuple[int, list[Row]]]:
    """(stored rows read, rows made of them), a batch at a time."""
    for split, path in sources_of(snapshot, shape).items():
        extra = {"split": split, "snapshot": snapshot.content_hash}
        for table in _tables(path, BATCH):
            stored = release.rows(table).to_pylist()
            yield len(stored), [made for row in stored for made in shape.rows(row | extra, ())]


def _of_cases(
    snapshot: Snapshot, shape: Shape, release: Release
) -> Iterator[tuple[int, list[Row]]]:
    """The same from instances with their labels: the two files are in the same order."""
    sources, criteria = sources_of(snapshot, shape), snapshot.manifest.get("criteria", [])
    labels = (
        row
        for table in _tables(sources["annotations"], BATCH)
        for row in release.labels(_complete(table)).to_pylist()
    )
    groups = groupby(labels, key=lambda row: row["instance_id"])
    extra = {"snapshot": snapshot.content_hash}
    for table in _tables(sources["instances"], BATCH):
        stored = release.instances(table).to_pylist()
        read = len(stored)
        made: list[Row] = []
        for instance in stored:
            # Every stored instance has a label, so the groups keep step with the instances.
            name, group = next(groups)
            assert name == instance["instance_id"]  # noqa: S101 - the order of the files
            found = list(group)
            read += len(found)
            made.extend(shape.rows(Labelled(instance | extra, found), criteria))
        yield read, made


def _tables(path: Path, rows: int) -> Iterator[pa.Table]:
    # Read ahead, a row group would lie in memory whole.
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BYTES)
    for batch in file.iter_batches(batch_size=rows, use_threads=False):
        yield pa.Table.from_batches([batch])
