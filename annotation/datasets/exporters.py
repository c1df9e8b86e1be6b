"""Files made from a snapshot, streamed in batches, in one of many shapes and formats."""

import errno
import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import artifacts
from core.exceptions import ApplicationError, InvalidInput
from core.files import sha256_of, sync
from core.hashing import content_hash
from core.memory import tidy_memory
from jobs.models import Job

from . import files, stored
from .formats import FORMATS, HUGGING_FACE, Format
from .formats.cards import card
from .media import MEDIA, pack_media
from .models import Export, Snapshot
from .options import Options
from .releasing import Release
from .shapes import SHAPES, Shape
from .shapes.base import kept

Progress = Callable[[int, int], object]

NO_ROWS = (
    "Nothing in this snapshot makes a row of the shape {shape}: it needs answers of another kind "
    "(docs/protocols.md says which), or rows that are no ties."
)
NAMES = tuple(SHAPES)
MANIFEST = "export.json"
# Stored rows that a preview looks through at most.
PREVIEWED = 20_000


class DiskFull(ApplicationError):
    """There is no room for the files; nothing of them is left."""

    status = 507
    code = "disk-full"


@contextmanager
def full_disk() -> Iterator[None]:
    """Name the error of a disk, a quota or a limit that is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise
        raise DiskFull(
            "The disk is full: nothing was written. Make room, or choose a packed format."
        ) from error


@dataclass(frozen=True)
class Plan:
    """One export that was asked for, checked; equal ones have one folder."""

    snapshot: Snapshot
    shape: str
    format: str
    options: Options

    @cached_property
    def made_of(self) -> Shape:
        return SHAPES[self.shape]

    @cached_property
    def written_as(self) -> Format:
        return FORMATS[self.format]

    @property
    def key(self) -> str:
        """What names the folder and salts the pseudonyms: another in each project."""
        of = [self.snapshot.project_id, self.snapshot.content_hash]
        return content_hash([*of, self.shape, self.format, self.options.as_dict()])

    @property
    def folder(self) -> str:
        return f"exports/{self.snapshot.content_hash}/{self.key[:16]}"

    @cached_property
    def schema(self) -> pa.Schema:
        """The shape's columns, all of them."""
        return self.made_of.schema_of(self.snapshot.manifest.get("criteria", []))

    @cached_property
    def columns(self) -> pa.Schema:
        """The columns that are written."""
        return kept(self.schema, provenance=self.options.provenance)


@dataclass
class Written:
    """What came of it, counted while it was written."""

    rows: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    files: list[dict[str, Any]] = field(default_factory=list)


def plan(
    snapshot: Snapshot,
    shape: str,
    format: str,  # noqa: A002 - the word of the model and of the pages
    options: Mapping[str, Any] | None = None,
) -> Plan:
    """What is asked for.

    Raises:
        InvalidInput: the shape, the format or an option is unknown.
    """
    checked = check(shape, format, options)
    return Plan(snapshot, shape, format, checked)


def check(shape: str, format: str, options: Mapping[str, Any] | None = None) -> Options:  # noqa: A002
    """The options, of a shape and a format that there are.

    Raises:
        InvalidInput: the shape, the format or an option is unknown.
    """
    if shape not in SHAPES:
        raise InvalidInput(f"Unknown shape {shape!r}: use {', '.join(SHAPES)}.")
    if format not in FORMATS:
        raise InvalidInput(f"Unknown format {format!r}: use {', '.join(FORMATS)}.")
    return Options.read(options)


def export(
    *,
    snapshot: Snapshot,
    shape: str,
    format: str,  # noqa: A002
    options: Mapping[str, Any] | None = None,
    job: Job | None = None,
    progress: Progress | None = None,
) -> Export:
    """Write a snapshot in one shape and format below MEDIA_ROOT/exports; `options` as in Options.

    A snapshot never changes, so the files are made once: asked again, the same row comes back while
    they are still there. They appear whole or not at all. `progress(done, total)` counts stored
    rows.

    Raises:
        InvalidInput: the shape, format or an option is unknown, or nothing has that shape.
        NotFound: the snapshot's files are gone.
    """
    asked = plan(snapshot, shape, format, options)
    if made := _made(asked):
        return made
    target = artifacts.local_path(asked.folder)
    with full_disk(), tidy_memory(), files.temporary_folder(target) as folder:
        written = _write(asked, folder, progress)
        if not written.rows:
            # No reader of data sets opens an empty file.
            raise InvalidInput(NO_ROWS.format(shape=shape))
        if asked.options.media:
            pack_media(folder, snapshot)
        manifest = _describe(asked, folder, written)
        if target.is_dir():
            rmtree(target)  # a part of it is gone
        files.publish_folder(folder, target)
    artifacts.publish(target, asked.folder)
    return _register(asked, written, manifest, job)


def _made(asked: Plan) -> Export | None:
    """The same export of before, while its files are there."""
    rows = Export.objects.filter(snapshot=asked.snapshot, path__startswith=asked.folder)
    made = rows.order_by("-pk").first()
    if made is None or not (folder := artifacts.local_path(asked.folder)).is_dir():
        return None
    return made if all((folder / each["path"]).is_file() for each in files_of(made)) else None


def files_of(row: Export) -> list[dict[str, Any]]:
    """Path, bytes and sha256 of every file; exports of before have one."""
    alone = {"path": Path(row.path).name, "bytes": row.bytes, "sha256": row.sha256}
    return list(row.manifest.get("files") or [alone])


def folder_of(row: Export) -> str:
    """The name of the folder that the paths of `files_of` begin in."""
    several = any("/" in each["path"] for each in files_of(row)) or len(data_files(row)) > 1
    return row.path if several else str(Path(row.path).parent)


def data_files(row: Export) -> list[dict[str, Any]]:
    """The files that hold rows."""
    beside = {MANIFEST, "README.md", MEDIA}
    return [each for each in files_of(row) if each["path"] not in beside]


def _write(asked: Plan, folder: Path, progress: Progress | None) -> Written:
    """Fill the folder; raises before a file is opened where the snapshot lacks what is needed."""
    sources = stored.sources_of(asked.snapshot, asked.made_of)
    total, done, written = stored.rows_in(sources), 0, Written()
    release = _release(asked)
    order = _order(asked, release)
    sink = asked.written_as.open(folder, asked.shape, asked.columns, asked.options.shard_rows)
    try:
        for read, table, splits in stored.tables(
            asked.snapshot, asked.made_of, asked.schema, release
        ):
            if len(table):
                whole = _with_order(table, order, written.rows)
                sink.write(whole.select(asked.columns.names), splits)
            _count(written, table, splits)
            done += read
            if progress is not None:
                progress(done, total)
    finally:
        sink.close()
    return written


def _release(asked: Plan) -> Release:
    labels = artifacts.local_path(asked.snapshot.folder) / "annotations.parquet"
    return Release(asked.options, asked.key, labels)


def _count(written: Written, table: pa.Table, splits: Any) -> None:
    written.rows += len(table)
    if splits is not None:
        for each in pc.value_counts(splits).to_pylist():
            written.splits[each["values"] or ""] += each["counts"]


def _order(asked: Plan, release: Release) -> Any:
    """The place of every row by the column that the shape orders by; one number a row in memory."""
    column = asked.made_of.orders
    if not column:
        return None
    values = array("d")
    for _read, table, _splits in stored.tables(
        asked.snapshot, asked.made_of, asked.schema, release
    ):
        values.extend(table[column].to_pylist())
    places = np.empty(len(values), dtype=np.int64)
    places[np.argsort(-np.asarray(values), kind="stable")] = np.arange(len(values))
    return places


def _with_order(table: pa.Table, order: Any, start: int) -> pa.Table:
    if order is None:
        return table
    places = order[start : start + len(table)]
    at = table.schema.get_field_index("order")
    return table.set_column(at, table.schema.field("order"), pa.array(places, pa.int64()))


def _describe(asked: Plan, folder: Path, written: Written) -> dict[str, Any]:
    """The manifest, beside the data, with the card where the format has one."""
    manifest = _manifest(asked, written)
    if asked.format == HUGGING_FACE:
        labels = artifacts.local_path(asked.snapshot.folder)
        _save(folder / "README.md", card(manifest, asked.snapshot.manifest, labels))
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False)
    _save(folder / MANIFEST, f"{text}\n")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        written.files.append(
            {"path": name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        )
    return manifest | {"files": written.files}


def _save(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    sync(path)


def _manifest(asked: Plan, written: Written) -> dict[str, Any]:
    of = asked.snapshot.manifest
    return {
        "shape": asked.shape,
        "format": asked.format,
        "options": asked.options.as_dict(),
        "done": _release(asked).done(),
        "rows": written.rows,
        "rows_by_split": dict(sorted(written.splits.items())),
        "columns": asked.columns.names,
        "snapshot": asked.snapshot.content_hash,
        "query": _query(asked),
        "criteria": of.get("criteria", []),
        "licences": of.get("licences", {}),
        "simulated_share": of.get("simulated_share", 0.0),
        "project": asked.snapshot.project.name,
    }


def _query(asked: Plan) -> dict[str, Any]:
    """What the snapshot was asked for; an anonymised release does not name whom it left out."""
    query: dict[str, Any] = asked.snapshot.query
    hidden = {"annotators", "cohorts"} if asked.options.anonymised else set()
    return {name: value for name, value in query.items() if name not in hidden}


def _register(asked: Plan, written: Written, manifest: dict[str, Any], job: Job | None) -> Export:
    row = Export(
        snapshot=asked.snapshot,
        shape=asked.shape,
        format=asked.format,
        options=asked.options.as_dict(),
        path=asked.folder,
        rows=written.rows,
        bytes=sum(each["bytes"] for each in written.files),
        manifest=manifest,
        job=job,
    )
    data = data_files(row)
    row.sha256 = data[0]["sha256"] if len(data) == 1 else _sums(data)
    if len(data) == 1:
        row.bytes = data[0]["bytes"]
        if "/" not in data[0]["path"]:
            row.path = f"{asked.folder}/{data[0]['path']}"
    row.save()
    return row


def _sums(data: list[dict[str, Any]]) -> str:
    """The sha256 of what `sha256sum` would write of these files."""
    lines = "".join(f"{each['sha256']}  {each['path']}\n" for each in data)
    return hashlib.sha256(lines.encode()).hexdigest()


def preview(asked: Plan, rows: int = 3) -> list[dict[str, Any]]:
    """The first rows as they would be written; none where nothing near the start has the shape.

    Raises:
        NotFound: as `export`.
    """
    release = _release(asked)
    found: list[dict[str, Any]] = []
    read = 0
    for count, table, _splits in stored.tables(
        asked.snapshot, asked.made_of, asked.schema, release
    ):
        found += table.slice(0, rows - len(found)).select(asked.columns.names).to_pylist()
        read += count
        if len(found) == rows or read > PREVIEWED:
            break
    return found
