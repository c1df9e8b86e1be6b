"""Bytes on disk. Needs no Django: the training core uses it too."""

import hashlib
import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk: a rename before that may lose content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
