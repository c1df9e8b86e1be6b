"""The formats of an export: each takes tables of one schema and leaves files in a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .shards import HubFolder, Shards
from .texts import Csv, JsonLines

HUGGING_FACE = "huggingface"


class Sink(Protocol):
    """Where exported rows go. `splits` names the split of each row; None where they have none."""

    def write(self, table: pa.Table, splits: Any) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Format:
    """What a format is for, and how it is opened: folder, name, schema, rows of a shard."""

    title: str | Promise
    open: Callable[[Path, str, pa.Schema, int], Sink]


def _lines(suffix: str) -> Callable[[Path, str, pa.Schema, int], Sink]:
    return lambda folder, name, schema, most: JsonLines(folder / f"{name}.{suffix}")


def _cells(suffix: str) -> Callable[[Path, str, pa.Schema, int], Sink]:
    return lambda folder, name, schema, most: Csv(folder / f"{name}.{suffix}", schema)


FORMATS: dict[str, Format] = {
    "jsonl": Format(_("JSON Lines: one object a line"), _lines("jsonl")),
    "jsonl.gz": Format(_("JSON Lines, packed with gzip"), _lines("jsonl.gz")),
    "jsonl.zst": Format(_("JSON Lines, packed with zstd"), _lines("jsonl.zst")),
    "csv": Format(_("CSV: for spreadsheets; no cell runs as a formula"), _cells("csv")),
    "csv.gz": Format(_("CSV, packed with gzip"), _cells("csv.gz")),
    "parquet": Format(_("Parquet: columns with their types, packed, in shards"), Shards),
    HUGGING_FACE: Format(
        _("Hugging Face folder: load_dataset opens it, with a data card"),
        lambda folder, name, schema, most: HubFolder(folder, schema, most),
    ),
}
