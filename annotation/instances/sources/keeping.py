"""Writing a file for import: whole under its name, or not there at all."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from core.exceptions import ApplicationError, InvalidInput
from core.files import sync

DATA = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
PACKED = (".gz", ".zst")
SUFFIXES = (*DATA, *(data + packed for data in DATA for packed in PACKED), ".zip")
# What is still being written: nothing reads it.
UNFINISHED = ".part"
MOST_NAME = 200


def folder() -> Path:
    """Where files wait for their import."""
    path = Path(settings.VAR_DIR) / "uploads"
    path.mkdir(parents=True, exist_ok=True)
    return path


def suffix_of(name: str) -> str:
    """The known ending of a file's name; empty where it has none of them."""
    lowered = name.lower()
    return max((each for each in SUFFIXES if lowered.endswith(each)), key=len, default="")


def plain_name(name: str) -> str:
    """The last part of a name that somebody else chose, without what cannot be shown."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return "".join(each for each in last if each.isprintable())[-MOST_NAME:]


class TooLarge(InvalidInput):
    """A file of more bytes than are wanted."""


class Growing:
    """A file that is being written, up to `most` bytes."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file, self._most = file, most
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add a piece.

        Raises:
            TooLarge: the file would be larger than it may.
        """
        self.size += len(chunk)
        if self.size > self._most:
            raise too_large(self._most)
        self._file.write(chunk)


def too_large(most: int) -> TooLarge:
    """The error of a file of more than `most` bytes."""
    return TooLarge(_("The file is larger than %(most)s MB: split it.") % {"most": most // 2**20})


@contextmanager
def growing(path: Path, most: int | None = None) -> Iterator[Growing]:
    """A new file that gets its name at the end, when all of it is on the disk.

    Whatever goes wrong in between, a full disk or a caller who is gone, leaves nothing.

    Raises:
        TooLarge: it grew beyond `most` bytes (IMPORT_MAX_MB).
        ApplicationError: the disk refuses it.
    """
    unfinished = path.with_name(f"{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            yield Growing(file, settings.IMPORT_MAX_BYTES if most is None else most)
        sync(unfinished)
        unfinished.rename(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ApplicationError(
            _("The file could not be kept: %(reason)s.") % {"reason": reason}
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
