"""A reward head on disk: `head.json` and `head.safetensors` beside the plain classifier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.errors import RefusalError
from training.fit.heads.modules import PLACE, RewardHead, attached
from training.fit.heads.settings import FILE, TENSORS, HeadSpec

PER_ANNOTATOR = "deviation"


@contextmanager
def without_head(model: Any) -> Iterator[RewardHead | None]:
    """The model as plain transformers knows it, for as long as the context lasts."""
    head = attached(model)
    if head is not None:
        delattr(model, PLACE)
    try:
        yield head
    finally:
        if head is not None:
            setattr(model, PLACE, head)


def save_plain(model: Any, folder: Path) -> None:
    """Save the classifier as transformers does, and what our head adds in files of its own."""
    with without_head(model) as head:
        model.save_pretrained(folder)
    save_head(head, folder)


def save_head(head: RewardHead | None, folder: Path) -> None:
    """Write `head.json` and `head.safetensors`; nothing for the plain scalar."""
    if head is None:
        return
    tensors = {name: value.detach().contiguous() for name, value in head.state_dict().items()}
    # safetensors writes no file without tensors, and some heads have none.
    save_file(tensors or {"none": torch.zeros(1)}, folder / TENSORS)
    (folder / FILE).write_text(json.dumps(head.spec.as_json(), indent=1, ensure_ascii=False))


def load_head(head: RewardHead, folder: Path, stored: HeadSpec) -> None:
    """Put saved tensors into a head; annotators are found by name, new ones start as the mean.

    Raises:
        RefusalError: the tensors are missing or of other shapes.
    """
    try:
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError) as error:
        raise RefusalError(
            f"{TENSORS} of {folder.name} cannot be read.", "Copy the model folder again."
        ) from error
    own = head.state_dict()
    with torch.no_grad():
        for name, value in own.items():
            if name == PER_ANNOTATOR:
                rows = [head.rows[who] for who in stored.annotators if who in head.rows]
                kept = [k for k, who in enumerate(stored.annotators) if who in head.rows]
                if kept:
                    value[rows] = tensors[name][kept]
            elif name in tensors and tensors[name].shape == value.shape:
                value.copy_(tensors[name])
            elif name != "tie":
                raise RefusalError(
                    f"The head of {folder.name} has no tensor {name} of the size wanted.",
                    "Keep the head's settings as they were, or start from another base.",
                )
