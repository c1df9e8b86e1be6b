"""Folders that several machines share: models, checkpoints, snapshots.

They live below MEDIA_ROOT, and where the storage "artifacts" is that folder nothing is copied.
Otherwise a folder is published as files named by their content, and a manifest with the path, size
and sha256 of each, written last and itself named by its sha256: half an upload is never seen.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import rmtree
from typing import IO, Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

from .exceptions import NotFound
from .files import sync

CHUNK = 1 << 20
ORDER_DIGITS = 12


class DamagedError(NotFound):
    """What the storage gave back is not what was published."""

    code = "artifact-damaged"


@dataclass(frozen=True)
class Entry:
    """One file of a folder; its path has no way out of the folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One complete publication of a folder; of several the highest `order` counts."""

    name: str
    order: int
    entries: tuple[Entry, ...]

    def entry(self, path: str) -> Entry | None:
        """The file of that path, if it was published."""
        return next((entry for entry in self.entries if entry.path == path), None)


def shared() -> bool:
    """Whether artifacts live elsewhere than in this machine's MEDIA_ROOT."""
    storage = _storage()
    if not isinstance(storage, FileSystemStorage):
        return True
    return Path(storage.location).resolve() != Path(settings.MEDIA_ROOT).resolve()


def publish(
    folder: Path, name: str, *, files: Iterable[Path] | None = None, order: int | None = None
) -> None:
    """Make the folder's files (all, or those named) known to all machines under `name`.

    What is there already is not sent again. Without `order` it counts as the newest.

    Raises:
        FileNotFoundError: a file went away meanwhile; nothing new is seen under the name.
    """
    if not shared():
        return
    chosen = sorted(path for path in files or folder.rglob("*") if path.is_file())
    entries = [_send(path, path.relative_to(folder), name) for path in chosen]
    if order is None:
        order = max((number for number, _ in _manifests(name)), default=-1) + 1
    text = json.dumps([vars(entry) for entry in entries], sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    _save(f"{name}/manifests/{order:0{ORDER_DIGITS}}-{digest}.json", ContentFile(text), len(text))


def fetch(name: str) -> Path:
    """The folder of that name on this machine, downloaded and checked if it is not here yet.

    Raises:
        NotFound: nobody has published it.
        DamagedError: a file is not what was published.
    """
    target = local_path(name)
    if target.is_dir() or not shared():
        return target
    manifest = newest(name)
    if manifest is None:
        raise NotFound(f"Nobody has published {name}: its files are gone.")
    with _beside(target) as folder:
        download(manifest, folder)
        with suppress(OSError):  # another process was first: its copy is as good
            folder.rename(target)
    sync(target.parent)
    return target


def local_path(name: str) -> Path:
    """Where a published folder lies on this machine, whether it is there or not."""
    return Path(settings.MEDIA_ROOT) / name


def is_here(name: str) -> bool:
    """Whether `fetch` gives the folder without a download."""
    return local_path(name).is_dir()


def newest(name: str) -> Manifest | None:
    """The newest complete publication; one whose manifest is cut off or changed is passed over."""
    for order, path in sorted(_manifests(name), reverse=True):
        text = _read(path)
        if hashlib.sha256(text).hexdigest() == _digest_of(path):
            entries = tuple(Entry(**entry) for entry in json.loads(text))
            return Manifest(name, order, entries)
    return None


def download(manifest: Manifest, folder: Path) -> None:
    """Write the files of a publication into `folder`, each checked and brought to disk.

    Raises:
        DamagedError: a file is missing or differs, or would lie outside the folder.
    """
    for entry in manifest.entries:
        target = folder / _inside(entry.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        digest = hashlib.sha256()
        with _opened(manifest.name, entry) as source, partial.open("wb") as file:
            for chunk in iter(lambda: source.read(CHUNK), b""):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != entry.sha256:
            raise DamagedError(f"{entry.path} of {manifest.name} is damaged: publish it again.")
        sync(partial)
        partial.replace(target)


def read(name: str, path: str) -> bytes | None:
    """The bytes of one small file of a folder, here or published; None where there is none."""
    local = local_path(name) / path
    if local.is_file():
        return local.read_bytes()
    manifest = newest(name) if shared() else None
    entry = manifest.entry(path) if manifest else None
    if entry is None:
        return None
    with _opened(name, entry) as file:
        content: bytes = file.read()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise DamagedError(f"{path} of {name} is damaged: publish it again.")
    return content


def listing(name: str) -> Manifest:
    """The files of a folder, here (without their sha256) or published.

    Raises:
        NotFound: it is neither.
    """
    folder = local_path(name)
    if not folder.is_dir():
        manifest = newest(name) if shared() else None
        if manifest is None:
            raise NotFound(f"The files of {name} are gone.")
        return manifest
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    entries = [
        Entry(path.relative_to(folder).as_posix(), path.stat().st_size, "") for path in files
    ]
    return Manifest(name, 0, tuple(entries))


def chunks(name: str, entry: Entry) -> Iterator[bytes]:
    """The bytes of one file of a listing, a piece at a time."""
    local = local_path(name) / _inside(entry.path)
    with local.open("rb") if local.is_file() else _opened(name, entry) as file:
        yield from iter(lambda: file.read(CHUNK), b"")


# --- The storage ----------------------------------------------------------------------------


def _storage() -> Storage:
    return storages["artifacts"]


def _send(path: Path, relative: Path, name: str) -> Entry:
    """Hash and send what one descriptor shows: a file that is replaced meanwhile stays whole."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        file.seek(0)
        _save(f"{name}/files/{digest}", File(file), size)
    return Entry(PurePosixPath(relative).as_posix(), size, digest)


def _save(path: str, content: File[Any], size: int) -> None:
    storage = _storage()
    if storage.exists(path):
        if storage.size(path) == size:
            return  # named by its content
        storage.delete(path)  # an upload that was cut off
    saved = storage.save(path, content)
    if saved != path:  # another machine sent the same at the same time
        storage.delete(saved)


def _manifests(name: str) -> list[tuple[int, str]]:
    try:
        _, files = _storage().listdir(f"{name}/manifests")
    except FileNotFoundError:
        return []
    named = [file for file in files if file.endswith(".json") and "-" in file]
    return [(int(file.split("-")[0]), f"{name}/manifests/{file}") for file in named]


def _digest_of(path: str) -> str:
    return PurePosixPath(path).stem.split("-", maxsplit=1)[1]


def _read(path: str) -> bytes:
    with _storage().open(path) as file:
        content: bytes = file.read()
    return content


@contextmanager
def _opened(name: str, entry: Entry) -> Iterator[IO[bytes]]:
    try:
        file = _storage().open(f"{name}/files/{entry.sha256}")
    except FileNotFoundError:
        raise DamagedError(f"{entry.path} of {name} is missing: publish it again.") from None
    with file:
        yield file


def _inside(path: str) -> PurePosixPath:
    found = PurePosixPath(path)
    if found.is_absolute() or ".." in found.parts or not found.parts:
        raise DamagedError(f"{path!r} lies outside of its folder.")
    return found


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    folder = target.with_name(f".tmp-{uuid.uuid4().hex}")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        rmtree(folder, ignore_errors=True)
