"""A file as a stream of its unpacked bytes, within limits, and what its first bytes say it is."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Protocol

import orjson
import zstandard

from core.exceptions import InvalidInput, NotFound

from . import values

HEAD_BYTES = 2**16
# Checked once so much is unpacked: small files may well be of one letter.
RATIO_FROM_BYTES = 2**26
MAX_RATIO = 300
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# Every four bytes of zstd can stand for 128 KiB: so many at once keep a bomb's step small.
_ZSTD_STEP = 1024
# What `zstd --ultra -22` writes needs a window of so many bytes.
_ZSTD_WINDOW = 2**27
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REFUSED = (
    ((b"PK\x03\x04", b"PK\x05\x06"), "an archive (.zip, .xlsx or alike)"),
    ((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff"), "UTF-16 or UTF-32: save it as UTF-8"),
    ((GZIP, ZSTD, b"BZh", b"\xfd7zXZ"), "packed in a way (or twice) that is not read"),
    (tuple(b"\x80" + bytes([version]) for version in range(1, 9)), "a Python pickle"),
    ((b"ARROW1",), "an Arrow file: save it as Parquet"),
)


class Damaged(Exception):
    """The file cannot be read further; the text says why."""


class Format(StrEnum):
    """How rows are written."""

    LINES = "jsonl"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Source:
    """A file, what it was called, and what is called now and then while it is read."""

    path: Path
    name: str = ""
    check: Callable[[], object] | None = None

    @property
    def suffix(self) -> str:
        """The last part of the name in small letters, packing aside: `.csv` of `A.CSV.gz`."""
        name = Path(self.name or self.path.name)
        if name.suffix.lower() in {".gz", ".zst"}:
            name = Path(name.stem)
        return name.suffix.lower()

    @contextmanager
    def opened(self) -> Iterator[io.BufferedReader]:
        """The unpacked bytes.

        Raises (also while they are read):
            NotFound: the file cannot be opened.
            InvalidInput: it unpacks to too much.
            Damaged: it is cut off or damaged here.
        """
        with self.raw() as raw:
            head = raw.read(4)
            raw.seek(0)
            size = self.path.stat().st_size
            yield io.BufferedReader(_Bounded(_unpacking(raw, head), size, self.check), 2**20)

    @contextmanager
    def raw(self) -> Iterator[IO[bytes]]:
        """The bytes as they lie there; raises NotFound."""
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise NotFound(f"Cannot read {self.path.name}: {error.strerror}.") from error
        with raw:
            yield raw

    def head(self) -> bytes:
        """The first unpacked bytes, as far as they can be read."""
        found = b""
        with self.opened() as file, suppress(Damaged):
            while len(found) < HEAD_BYTES and (block := file.read1(HEAD_BYTES)):
                found += block
        return found.removeprefix(BYTE_ORDER_MARK)


def recognised(source: Source) -> Format:
    """What the rows of a file are written as.

    Raises:
        InvalidInput: it is none of the formats, or packed in another way.
    """
    head = source.head()
    if head.startswith(b"PAR1"):
        return Format.PARQUET
    _refuse_binary(head)
    text = head.lstrip()
    if text[:1] == b"[" and text[1:].lstrip()[:1] in {b"{", b"]"}:
        return Format.JSON
    if text[:1] == b"{":
        named = source.suffix in {".jsonl", ".ndjson"}
        return Format.LINES if named or _is_line(text) else Format.JSON
    if source.suffix in {".csv", ".tsv", ".tab"}:
        return Format.CSV
    return Format.JSON if source.suffix == ".json" else Format.LINES


def _refuse_binary(head: bytes) -> None:
    for marks, what in _REFUSED:
        if head.startswith(marks):
            raise InvalidInput(f"The file cannot be imported: it is {what}.")
    if head[:1] in _CONTINUATION or any(byte in _CONTROL for byte in head[:16]):
        raise InvalidInput(
            "The file cannot be imported: it is no text, and neither Parquet nor packed text."
        )


_CONTINUATION = {bytes([byte]) for byte in range(0x80, 0xC0)}
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f")


def _is_line(text: bytes) -> bool:
    """Whether the first line is an object for itself, or too long to say."""
    line, end, rest = text.partition(b"\n")
    if not end:
        return len(text) >= HEAD_BYTES
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        # A broken line among whole ones: the next line begins an object of its own.
        return rest.lstrip()[:1] == b"{"
    return rest.lstrip()[:1] in {b"{", b""}


def block_of(file: io.BufferedReader, size: int = 2**20) -> bytes:
    """The next bytes, fewer than `size` only at the end; raises as they are read."""
    blocks, length = [], 0
    try:
        while length < size and (block := file.read1(size - length)):
            blocks.append(block)
            length += len(block)
    except Damaged:
        # What was whole before the damage counts; the next call says it again.
        if not blocks:
            raise
    return b"".join(blocks)


class _Unpacking(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def _unpacking(raw: IO[bytes], head: bytes) -> _Unpacking:
    if head.startswith(GZIP):
        return gzip.GzipFile(fileobj=raw)
    return _Zstd(raw) if head.startswith(ZSTD) else raw  # type: ignore[return-value]


class _Zstd:
    """The frames of a zstd file, one after the other."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._pending = b""
        self._frame = self._next_frame()
        self._begun = False

    def read1(self, size: int) -> bytes:
        while True:
            block = self._pending or self._raw.read(_ZSTD_STEP)
            if not block:
                if self._begun:
                    raise EOFError("the last frame is not whole")
                return b""
            self._begun = True
            found = self._frame.decompress(block)
            self._pending = b""
            if self._frame.eof:
                self._pending = self._frame.unused_data
                self._frame, self._begun = self._next_frame(), False
            if found:
                return found

    @staticmethod
    def _next_frame() -> "zstandard.ZstdDecompressionObj":
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()


class _Bounded(io.RawIOBase):
    """Counts what is unpacked, and says in one way that a file is damaged."""

    def __init__(
        self, unpacking: _Unpacking, size: int, check: Callable[[], object] | None
    ) -> None:
        self._unpacking, self._size, self._check = unpacking, size, check
        self._read = self._checked = 0
        self._left = b""
        self._damage: Damaged | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._left or self._next(len(buffer))
        part, self._left = block[: len(buffer)], block[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _next(self, size: int) -> bytes:
        if self._damage is not None:
            raise self._damage
        try:
            block = self._unpacking.read1(size)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
            kind = "gzip" if isinstance(self._unpacking, gzip.GzipFile) else "zstd"
            self._damage = Damaged(f"the {kind} file is damaged or cut off here ({error})")
            raise self._damage from error
        self._read += len(block)
        self._keep_within()
        return block

    def _keep_within(self) -> None:
        if self._read > values.MAX_BYTES:
            raise InvalidInput(
                f"The file unpacks to more than {values.MAX_BYTES // 2**30} GiB: split it, or "
                "look whether it is what it should be."
            )
        if self._read > max(RATIO_FROM_BYTES, MAX_RATIO * self._size):
            raise InvalidInput(
                f"The file unpacks to more than {MAX_RATIO} times its size: look whether it is "
                "what it should be."
            )
        if self._check is not None and self._read - self._checked >= 2**24:
            self._checked = self._read
            self._check()
