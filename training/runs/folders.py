"""Folders of base models: only those below MODEL_ROOTS are ever read."""

from pathlib import Path

from django.conf import settings

from core.exceptions import InvalidInput


def allowed_folder(path: object, *, holds: str) -> Path:
    """The folder of that name (or absolute path) below one of MODEL_ROOTS.

    Raises:
        InvalidInput: there is none that contains the file `holds`.
    """
    for root in settings.MODEL_ROOTS:
        folder = (root / str(path)).resolve()
        if folder.is_relative_to(root) and (folder / holds).is_file():
            return folder
    raise InvalidInput(
        f"There is no folder {str(path)!r} with {holds} among the allowed models: "
        "put it into one of the folders that MODEL_ROOTS names."
    )


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
