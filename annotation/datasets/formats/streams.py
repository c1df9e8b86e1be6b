"""Files that are written once from start to end: plain, gzip or zstd by the end of their name."""

import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from core.files import sync

GZIP_LEVEL, ZSTD_LEVEL = 6, 3


class Stream:
    """Bytes appended to one file; the same bytes always make the same file. Fsynced on close."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = ExitStack()
        file: Any = self._open.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            # No name and no time within: they would make two equal exports differ.
            packed = gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0)
            file = self._open.enter_context(packed)
        elif path.suffix == ".zst":
            packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
            file = self._open.enter_context(packer.stream_writer(file, closefd=False))
        self.file = cast("IO[bytes]", file)

    def write(self, data: Any) -> int:
        """Append what `bytes`, a memory view or an Arrow buffer holds."""
        return self.file.write(data)

    def close(self) -> None:
        self._open.close()
        sync(self.path)
