"""Files that appear whole or not at all: written to a temporary place, fsynced, renamed. Pure."""

import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.files import sync

ROWS = pa.schema(
    [
        ("prompt", pa.string()),
        ("completions", pa.list_(pa.string())),
        ("score", pa.list_(pa.float64())),
        ("pair_p", pa.float64()),
        ("weight", pa.float64()),
        ("margin", pa.float64()),
        ("source", pa.string()),
        ("prompt_hash", pa.string()),
        ("instance_id", pa.string()),
        ("annotators", pa.int64()),
        ("simulated", pa.bool_()),
        ("generators", pa.list_(pa.string())),
        ("licences", pa.list_(pa.string())),
        ("arm", pa.string()),
        # JSON where there is more than text, else null: turns with parts, documents beside them,
        # the parts of each completion, and its own prompt in joint comparison.
        ("messages", pa.string()),
        ("context", pa.string()),
        ("parts", pa.list_(pa.string())),
        ("own_prompts", pa.list_(pa.string())),
        # Completions that no label told apart: their shared rank is no tie.
        ("unranked", pa.list_(pa.int64())),
    ]
)
LABELS = pa.schema(
    [
        ("instance_id", pa.string()),
        ("criterion", pa.string()),
        ("annotator", pa.string()),
        ("kind", pa.string()),
        ("simulated", pa.bool_()),
        ("ranking", pa.list_(pa.int64())),
        ("tie_kind", pa.string()),
        ("strength", pa.float64()),
        ("confidence", pa.int64()),
        ("rationale", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("attributes", pa.string()),
        ("shown_order", pa.list_(pa.int64())),
        ("seconds", pa.float64()),
        ("guideline", pa.int64()),
        ("asks", pa.string()),
        ("purpose", pa.string()),
        ("unranked", pa.list_(pa.int64())),
        ("scores", pa.list_(pa.int64())),
        ("cohort", pa.string()),
        # Of annotators who prefer alike, by the newest quality report; null without groups.
        ("group", pa.int64()),
        ("group_p", pa.float64()),
        ("excluded", pa.bool_()),
        ("created_at", pa.string()),
        ("decision_id", pa.string()),
        ("arm", pa.string()),
        ("propensity", pa.float64()),
    ]
)
# What the labels are about: one row per instance that has any, in the order of the labels.
INSTANCES = pa.schema(
    [
        ("instance_id", pa.string()),
        ("split", pa.string()),
        ("prompt_hash", pa.string()),
        # JSON: a list of turns, of documents, of completions, and an object.
        ("messages", pa.string()),
        ("context", pa.string()),
        ("completions", pa.string()),
        ("metadata", pa.string()),
        ("tags", pa.list_(pa.string())),
    ]
)
LABEL_FILES = ("annotations", "instances")


# A row group of about so many bytes: of each, what its columns hold is kept until the file ends.
GROUP_BYTES = 1024 * 1024


class ParquetFile:
    """Rows appended to one zstd Parquet file; fsynced on close."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        columns = zip(*map(itemgetter(*self._schema.names), rows), strict=True)
        arrays = [pa.array(c, field.type) for c, field in zip(columns, self._schema, strict=True)]
        self._waiting.append(pa.table(arrays, schema=self._schema))
        self.rows += len(rows)
        if sum(table.nbytes for table in self._waiting) >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting.clear()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        sync(self.path)


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new folder next to `beside`, removed at the end unless it was renamed away."""
    folder = beside.parent / f".tmp-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish_folder(folder: Path, target: Path) -> None:
    """Rename `folder` to `target`, durably. A target that is already there is kept."""
    sync(folder)
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    sync(target.parent)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A temporary path that becomes `target` when the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{uuid.uuid4().hex}-{target.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(target)
        sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)
