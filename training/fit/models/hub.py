"""Models of a hub: only those that the operator has named, at a commit, without code or pickles."""

from __future__ import annotations

import os
from pathlib import Path

from training.errors import RefusalError
from training.fit.config import Base

ALLOWED = "TRAINING_HUB_ALLOWED"
# Weights in safetensors, settings, tokenizers and chat templates; no code, no pickles.
FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]


def base_folder(base: Base) -> Path | None:
    """The folder of the base; None where it starts from random weights.

    Raises:
        RefusalError: a hub model that is not allowed here, or that cannot be had.
    """
    if base.hub is None:
        return None if base.path is None else Path(base.path)
    if base.hub not in allowed_models():
        raise RefusalError(
            f"The hub model {base.hub} is not allowed here.",
            f"Ask the operator to add it to {ALLOWED}, or use a model folder.",
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(base.hub, revision=base.revision, allow_patterns=FILES))
    except (OSError, ValueError) as error:
        raise RefusalError(
            f"The model {base.hub} at commit {base.revision} cannot be had: "
            f"{str(error).splitlines()[0][:200]}",
            "Put it into the cache of Hugging Face (HF_HOME) of this machine, or allow downloads.",
        ) from error


def allowed_models() -> frozenset[str]:
    """Names that the operator has listed, separated by commas."""
    names = os.environ.get(ALLOWED, "").split(",")
    return frozenset(name.strip() for name in names if name.strip())
