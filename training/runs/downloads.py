"""A model folder as one tar stream: never more of it in memory than a piece of a file."""

import tarfile
from collections.abc import Iterator

from core import artifacts
from training.registry.models import ModelVersion

BLOCK = tarfile.BLOCKSIZE


def tar_of(version: ModelVersion) -> tuple[str, Iterator[bytes]]:
    """A file name and the bytes of a tar archive with the version's folder.

    Raises:
        NotFound: its files are gone.
    """
    name = f"{version.kind}-model-v{version.version}"
    listing = artifacts.listing(version.folder)
    return f"{name}.tar", _pieces(name, listing)


def _pieces(folder: str, listing: artifacts.Manifest) -> Iterator[bytes]:
    for entry in listing.entries:
        info = tarfile.TarInfo(f"{folder}/{entry.path}")
        info.size = entry.size
        yield info.tobuf(tarfile.GNU_FORMAT)
        yield from artifacts.chunks(listing.name, entry)
        yield b"\0" * (-entry.size % BLOCK)
    yield b"\0" * 2 * BLOCK
