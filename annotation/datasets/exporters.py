"""Files made from a snapshot, streamed in batches: pairs, listwise, trl or annotations."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq
from django.conf import settings

from core.exceptions import InvalidInput, NotFound
from core.files import sha256_of
from jobs.models import Job

from . import files
from .models import Export, Snapshot
from .shapes import SHAPES, Shape

BATCH = 256
Progress = Callable[[int, int], object]
Row = dict[str, Any]

# A spreadsheet reads a cell that starts with one of these as a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class Sink(Protocol):
    """Where exported rows go."""

    def write(self, rows: Sequence[Row]) -> None: ...
    def close(self) -> None: ...


class JsonLines:
    def __init__(self, path: Path, shape: Shape) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._file.close()


class Csv:
    """Lists are JSON text in their cell; a text that looks like a formula gets a leading '."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(self._file, shape.schema.names)
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._writer.writerow({name: safe_cell(value) for name, value in row.items()})

    def close(self) -> None:
        self._file.close()


class Parquet(files.ParquetFile):
    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape.schema)


FORMATS: dict[str, type[JsonLines] | type[Csv] | type[Parquet]] = {
    "jsonl": JsonLines,
    "csv": Csv,
    "parquet": Parquet,
}


def safe_cell(value: Any) -> Any:
    """A CSV cell that no spreadsheet runs as a formula; numbers stay numbers."""
    if isinstance(value, (list, dict)):
        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


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
        InvalidInput: the shape or format is unknown.
        NotFound: the snapshot's files are gone.
    """
    if shape not in SHAPES:
        raise InvalidInput(f"Unknown shape {shape!r}: use {', '.join(SHAPES)}.")
    if format not in FORMATS:
        raise InvalidInput(f"Unknown format {format!r}: use {', '.join(FORMATS)}.")
    path = f"exports/{snapshot.content_hash}/{shape}.{format}"
    target = Path(settings.MEDIA_ROOT) / path
    made = Export.objects.filter(snapshot=snapshot, path=path).order_by("-pk").first()
    if made is not None and target.is_file():
        return made
    with files.whole_file(target) as temporary:
        rows = _write(snapshot, SHAPES[shape], FORMATS[format](temporary, SHAPES[shape]), progress)
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


def _write(snapshot: Snapshot, shape: Shape, sink: Sink, progress: Progress | None) -> int:
    written = done = 0
    sources = _sources(snapshot, shape)
    total = sum(pq.read_metadata(path).num_rows for path in sources.values())
    try:
        for split, path in sources.items():
            for batch in _batches(path):
                extra = {"split": split, "snapshot": snapshot.content_hash}
                rows = [made for row in batch for made in shape.rows(row | extra)]
                sink.write([{name: row[name] for name in shape.schema.names} for row in rows])
                written += len(rows)
                done += len(batch)
                if progress is not None:
                    progress(done, total)
    finally:
        sink.close()
    return written


def _sources(snapshot: Snapshot, shape: Shape) -> dict[str, Path]:
    """The snapshot's files that this shape reads, by split (the labels have none)."""
    folder = Path(settings.MEDIA_ROOT) / snapshot.folder
    if not folder.is_dir():
        raise NotFound("The files of this snapshot are gone: build it again with the same query.")
    labels = folder / "annotations.parquet"
    if shape.labels:
        return {"": labels}
    return {path.stem: path for path in sorted(folder.glob("*.parquet")) if path != labels}


def _batches(path: Path) -> Iterator[list[Row]]:
    for batch in pq.ParquetFile(path).iter_batches(batch_size=BATCH):
        yield batch.to_pylist()
