"""The result folder: weights, tokenizer and a card that says where they come from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.fit.card.text import card_text
from training.fit.files import finite, replace_folder

# In the front matter of a card of Hugging Face, or of one of ours.
LICENCE = re.compile(r'^license:\s*"?([\w.+-]+)"?\s*$', re.MULTILINE)
CARDS = ("README.md", "model_card.md")


def save_result(
    target: Path,
    *,
    write_model: Callable[[Path], object],
    tokenizer: Any,
    config: dict[str, Any],
    hashes: dict[str, str],
    values: dict[str, Any],
    licence: str = "",
) -> None:
    """Write `target` whole; it loads with plain `from_pretrained` of transformers.

    Args:
        write_model: puts the weights into a folder.
        hashes: sha256 of the data files by split.
        values: figures of the run.
        licence: of the base model, see `licence_of`.
    """
    card = {"config": _portable(config), "data_sha256": hashes, "metrics": values}
    text = card_text(config, hashes, values, licence)

    def write(folder: Path) -> None:
        write_model(folder)
        tokenizer.save_pretrained(folder)
        (folder / "card.json").write_text(json.dumps(finite(card), indent=1, ensure_ascii=False))
        (folder / "model_card.md").write_text(text)

    replace_folder(target, write)


def licence_of(folder: Path | None) -> str:
    """The licence that the card in a model folder states; "" where none does."""
    for name in CARDS if folder is not None else ():
        assert folder is not None
        path = folder / name
        found = LICENCE.search(path.read_text(errors="replace")) if path.is_file() else None
        if found and found.group(1) != "unknown":
            return found.group(1)
    return ""


def _portable(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with names in place of paths: a model folder travels to other machines."""

    def name(path: str | None) -> str | None:
        return None if path is None else Path(path).name

    return config | {
        "data": {split: name(path) for split, path in config["data"].items()},
        "base": config["base"] | {"path": name(config["base"]["path"])},
        "tokenizer": config["tokenizer"] | {"path": name(config["tokenizer"]["path"])},
        "reference": [each | {"path": name(each["path"])} for each in config["reference"]],
        "reference_cache": name(config["reference_cache"]),
    }
