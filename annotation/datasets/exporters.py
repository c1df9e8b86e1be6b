"""Files made from a snapshot, streamed in batches, in one of many shapes."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from core import artifacts
from core.exceptions import InvalidInput, NotFound
from core.files import sha256_of
from core.spreadsheets import as_text
from jobs.models import Job

from . import files
from .label_shapes import LABEL_SHAPES, Labelled, LabelShape
from .models import Export, Snapshot
from .shapes import SHAPES, Shape

BATCH = 256
Progress = Callable[[int, int], object]
Row = dict[str, Any]


class Sink(Protocol):
    """Where exported rows go."""

    def write(self, rows: Sequence[Row]) -> None: ...
    def close(self) -> None: ...


class JsonLines:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class Csv:
    """Lists are JSON text in their cell; a text that looks like a formula gets a leading '."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, schema.names)
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._writer.writerow({name: safe_cell(value) for name, value in row.items()})

    def close(self) -> None:
        self._file.close()


FORMATS: dict[str, type[JsonLines] | type[Csv] | type[files.ParquetFile]] = {
    "jsonl": JsonLines,
    "csv": Csv,
    "parquet": files.ParquetFile,
}
NO_ROWS = (
    "Nothing in this snapshot makes a row of the shape {shape}: it needs answers of another kind "
    "(docs/protocols.md says which), or rows that are no ties."
)
NAMES = (*SHAPES, *LABEL_SHAPES)


def safe_cell(value: Any) -> Any:
    """A CSV cell that no spreadsheet runs as a formula; numbers stay numbers."""
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    return as_text(value) if isinstance(value, str) else value


def export(
    *,
    snapshot: Snapshot,
    shape: str,
    format: str,  # noqa: A002 - the word of the model and of the pages
    job: Job | None = None,
    progress: Progress | None = None,
) -> Export:
    """Write a snapshot in one shape and format below MEDIA_ROOT/exports.

    A snapshot never changes, so the file is made once: asked again, the same row comes back while
    its file is still there. `progress(done, total)` counts stored rows.

    Raises:
        InvalidInput: the shape or format is unknown, or nothing in the snapshot has that shape.
        NotFound: the snapshot's files are gone.
    """
    if shape not in NAMES:
        raise InvalidInput(f"Unknown shape {shape!r}: use {', '.join(NAMES)}.")
    if format not in FORMATS:
        raise InvalidInput(f"Unknown format {format!r}: use {', '.join(FORMATS)}.")
    path = f"exports/{snapshot.content_hash}/{shape}.{format}"
    target = Path(settings.MEDIA_ROOT) / path
    made = Export.objects.filter(snapshot=snapshot, path=path).order_by("-pk").first()
    if made is not None and target.is_file():
        return made
    made_of = SHAPES.get(shape) or LABEL_SHAPES[shape]
    with files.whole_file(target) as temporary:
        rows = _write(snapshot, made_of, FORMATS[format], temporary, progress)
        if not rows:
            # No reader of data sets opens an empty file.
            raise InvalidInput(NO_ROWS.format(shape=shape))
    return Export.objects.create(
        snapshot=snapshot,
        shape=shape,
        format=format,
        path=path,
        rows=rows,
        bytes=target.stat().st_size,
        sha256=sha256_of(target),
        job=job,
    )


def _write(
    snapshot: Snapshot,
    shape: Shape | LabelShape,
    format: type[JsonLines] | type[Csv] | type[files.ParquetFile],  # noqa: A002
    path: Path,
    progress: Progress | None,
) -> int:
    """Rows written; raises before the file is opened where the snapshot lacks what is needed."""
    sources = _sources(snapshot, shape)
    total = sum(pq.read_metadata(source).num_rows for source in sources.values())
    criteria = snapshot.manifest.get("criteria", [])
    schema = shape.schema_of(criteria) if isinstance(shape, LabelShape) else shape.schema
    batches = (
        _label_rows(snapshot, shape) if isinstance(shape, LabelShape) else _rows(snapshot, shape)
    )
    sink: Sink = format(path, schema)
    written = done = 0
    try:
        for read, rows in batches:
            sink.write([{name: row.get(name) for name in schema.names} for row in rows])
            written, done = written + len(rows), done + read
            if progress is not None:
                progress(done, total)
    finally:
        sink.close()
    return written


def _rows(snapshot: Snapshot, shape: Shape) -> Iterator[tuple[int, list[Row]]]:
    """(stored rows read, rows made of them), a batch at a time."""
    for split, path in _sources(snapshot, shape).items():
        extra = {"split": split, "snapshot": snapshot.content_hash}
        for batch in _batches(path):
            yield len(batch), [made for row in batch for made in shape.rows(row | extra)]


def _label_rows(snapshot: Snapshot, shape: LabelShape) -> Iterator[tuple[int, list[Row]]]:
    """The same from instances with their labels: the two files are in the same order."""
    sources, criteria = _sources(snapshot, shape), snapshot.manifest.get("criteria", [])
    stored = (row for batch in _batches(sources["annotations"]) for row in batch)
    groups = groupby(stored, key=lambda row: row["instance_id"])
    extra = {"snapshot": snapshot.content_hash}
    for batch in _batches(sources["instances"]):
        read = len(batch)
        made: list[Row] = []
        for instance in batch:
            # Every stored instance has a label, so the groups keep step with the instances.
            name, group = next(groups)
            assert name == instance["instance_id"]  # noqa: S101 - the order of the files
            labels = list(group)
            read += len(labels)
            made.extend(shape.rows(Labelled(instance | extra, labels), criteria))
        yield read, made


def _sources(snapshot: Snapshot, shape: Shape | LabelShape) -> dict[str, Path]:
    """The snapshot's files that this shape reads, by split (the labels have none)."""
    folder = artifacts.fetch(snapshot.folder)
    if not folder.is_dir():
        raise NotFound("The files of this snapshot are gone: build it again with the same query.")
    labels = {name: folder / f"{name}.parquet" for name in files.LABEL_FILES}
    if isinstance(shape, LabelShape):
        if not labels["instances"].is_file():
            raise NotFound("This snapshot is from before there was this shape: build a new one.")
        return labels
    if shape.labels:
        return {"": labels["annotations"]}
    return {path.stem: path for path in sorted(folder.glob("*.parquet")) if path.stem not in labels}


def _batches(path: Path) -> Iterator[list[Row]]:
    for batch in pq.ParquetFile(path).iter_batches(batch_size=BATCH):
        yield batch.to_pylist()
