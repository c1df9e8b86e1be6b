"""A .zip that holds one .jsonl and the media files that its lines name.

| in the archive                                     | outcome                                    |
|----------------------------------------------------|--------------------------------------------|
| no .jsonl, or more than one                        | refused                                    |
| no zip, damaged, encrypted                         | refused                                    |
| over `MAX_ENTRIES`, or unpacks to over `MAX_BYTES` | refused; no more is read of a file than    |
| or to `MAX_RATIO` times its size                   | the archive says, and a lie is damage      |
| a link, a name that climbs or is absolute          | that file is refused                       |
| a file that is no allowed medium, or too large     | that file is refused                       |
| folders, hidden files, `__MACOSX`                  | passed over                                |

Nothing is unpacked under a name of the archive: the lines go to a temporary file of ours, media
to a place named by their hash.
"""

import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from accounts.models import Project
from core.exceptions import ApplicationError, Conflict, InvalidInput

from .media import keep_media, weigh_media
from .readers.opening import MAX_RATIO, RATIO_FROM_BYTES

MAX_ENTRIES = 50_000
MAX_BYTES = 16 * 2**30
BLOCK = 2**20
Brought = dict[str, tuple[str, str]]
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@contextmanager
def unpacked(
    path: Path,
    project: Project,
    check: Callable[[], object],
    brought: Brought | None = None,
) -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    """Keep the archive's media; give the path of its lines and what was refused (name, reason).

    `check` is called between blocks: what it raises stops the unpacking. With `brought` no medium
    is kept; what would be is written there, as `media_of` tells it.

    Raises:
        InvalidInput: the archive is refused as a whole.
        ApplicationError: the disk is full.
    """
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as error:
        raise InvalidInput("The .zip cannot be opened: it is damaged, or no .zip.") from error
    with archive, tempfile.TemporaryDirectory(dir=path.parent) as folder:
        lines, media = _contents(archive, path.stat().st_size)
        refused = [
            (info.filename[:200], reason)
            for info in media
            if (reason := _keep(archive, info, project, check, brought))
        ]
        target = Path(folder) / "lines.jsonl"
        _extract(archive, lines, target, check)
        yield target, refused


def _contents(archive: zipfile.ZipFile, size: int) -> tuple[zipfile.ZipInfo, list[zipfile.ZipInfo]]:
    """The one file of lines, and the rest, of an archive of `size` bytes."""
    infos = [info for info in archive.infolist() if not _is_passed_over(info)]
    if len(infos) > MAX_ENTRIES:
        raise InvalidInput(f"The .zip holds more than {MAX_ENTRIES:,} files: split it.")
    if any(info.flag_bits & 1 for info in infos):
        raise InvalidInput("The .zip is encrypted: hand it in without a password.")
    whole = sum(info.file_size for info in infos)
    if whole > MAX_BYTES:
        raise InvalidInput(f"The .zip unpacks to more than {MAX_BYTES // 2**30} GiB: split it.")
    # Before any of it lies on the disk.
    if whole > max(RATIO_FROM_BYTES, MAX_RATIO * size):
        raise InvalidInput(
            f"The .zip unpacks to more than {MAX_RATIO} times its size: look whether it is what "
            "it should be."
        )
    lines = [info for info in infos if info.filename.lower().endswith(".jsonl")]
    if len(lines) != 1:
        raise InvalidInput(f"The .zip must hold one .jsonl file; this one holds {len(lines)}.")
    return lines[0], [info for info in infos if info is not lines[0]]


def _is_passed_over(info: zipfile.ZipInfo) -> bool:
    names = info.filename.split("/")
    hidden = names[-1].startswith(".") and names[-1] not in {".", ".."}
    return info.is_dir() or hidden or names[0] == "__MACOSX"


def _keep(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    project: Project,
    check: Callable[[], object],
    brought: Brought | None,
) -> str:
    """Keep one medium, or look at it; the reason where it is refused."""
    if stat.S_ISLNK(info.external_attr >> 16):
        return "a link, not a file"
    try:
        chunks = _blocks(archive, info, check)
        if brought is None:
            keep_media(project=project, name=info.filename, chunks=chunks)
        else:
            brought |= [weigh_media(project=project, name=info.filename, chunks=chunks)]
    except (InvalidInput, Conflict) as error:
        return error.message
    return ""


def _blocks(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, check: Callable[[], object]
) -> Iterator[bytes]:
    try:
        with archive.open(info) as file:
            while block := file.read(BLOCK):
                check()
                yield block
    except DAMAGED as error:
        raise InvalidInput(f"{info.filename[:80]} is damaged.") from error


def _extract(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, check: Callable[[], object]
) -> None:
    try:
        with target.open("wb") as file:
            for block in _blocks(archive, info, check):
                file.write(block)
    except OSError as error:
        raise ApplicationError(f"The .zip cannot be unpacked: {error.strerror}.") from error
