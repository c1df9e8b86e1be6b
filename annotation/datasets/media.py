"""The media files that an export's instances name, as one archive beside the rows."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from annotation.instances.media import media_path
from core import artifacts
from core.exceptions import NotFound
from core.files import sync

from .models import Snapshot

MEDIA = "media.zip"
COLUMNS = ["messages", "context", "completions"]


def pack_media(folder: Path, snapshot: Snapshot) -> None:
    """Write `media.zip` under the names that parts say, stored as they are; none where none is.

    Raises:
        NotFound: the snapshot's instances, or the bytes of a medium, are gone.
    """
    instances = artifacts.local_path(snapshot.folder) / "instances.parquet"
    if not instances.is_file():
        raise NotFound("This snapshot is from before exports could bring media: build a new one.")
    names = dict(_named(instances))
    if not names:
        return
    target = folder / MEDIA
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, digest in sorted(names.items()):
            if not (source := media_path(digest)).is_file():
                raise NotFound(f"The media file {name[:80]!r} is gone: export without media.")
            # Without a time: equal exports are equal bytes.
            with source.open("rb") as file, archive.open(zipfile.ZipInfo(name), "w") as entry:
                while block := file.read(1 << 20):
                    entry.write(block)
    sync(target)


def _named(path: Path) -> Iterator[tuple[str, str]]:
    """(name, sha256) of every medium of the project that an instance has."""
    for batch in pq.ParquetFile(path).iter_batches(batch_size=256, columns=COLUMNS):
        for row in batch.to_pylist():
            for column in COLUMNS:
                yield from _media_in(json.loads(row[column]))


def _media_in(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("file"), str) and isinstance(value.get("sha256"), str):
            yield value["file"], value["sha256"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _media_in(each)
