"""Where the files of a model version are: the one door to them on every machine."""

from pathlib import Path

from core import artifacts

from .models import ModelVersion


def local(version: ModelVersion) -> Path:
    """The version's folder on this machine, fetched from the shared storage if need be.

    Raises:
        NotFound: nobody has published it; DamagedError where a file is not what was published.
    """
    return artifacts.fetch(version.folder)


def text_of(version: ModelVersion, path: str) -> str:
    """A small text file of the version, without fetching the weights; empty where it is gone."""
    return (artifacts.read(version.folder, path) or b"").decode(errors="replace")
