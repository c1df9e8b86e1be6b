"""Folders of base models: only those below MODEL_ROOTS are ever read."""

import os
from pathlib import Path

from django.conf import settings

from core.exceptions import InvalidInput


def allowed_folder(path: object, *, holds: str) -> Path:
    """The folder of that name (or absolute path) below one of MODEL_ROOTS.

    Raises:
        InvalidInput: there is none that contains the file `holds`.
    """
    for root in settings.MODEL_ROOTS:
        folder = below(root, path)
        if folder is not None and os.path.isfile(folder / holds):  # noqa: PTH113 - see `below`
            return folder
    raise InvalidInput(
        f"There is no folder {str(path)[:200]!r} with {holds} among the allowed models: "
        "put it into one of the folders that MODEL_ROOTS names."
    )


def below(root: Path, path: object) -> Path | None:
    """The path resolved, where it stays below `root`; None where it leaves or is no name of a file.

    What is there is asked of `os.path`, for which a name that no file can have is just not there.
    """
    try:
        found = (root / str(path)).resolve()
    except (OSError, ValueError):
        return None
    return found if found.is_relative_to(root) else None


def models_at_hand() -> list[str]:
    """Names of the folders below MODEL_ROOTS that hold a model in safetensors."""
    found = {
        folder.name
        for root in settings.MODEL_ROOTS
        if root.is_dir()
        for folder in root.iterdir()
        if (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    }
    return sorted(found)
