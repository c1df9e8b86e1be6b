"""Low-rank adapters through peft, put into the model in place and merged before saving."""

from __future__ import annotations

from typing import Any

from training.fit.config import Lora
from training.fit.heads.modules import attached
from training.fit.models.loading import head_of


def add_adapters(model: Any, lora: Lora, kind: str) -> Any:
    """Freeze the model, add adapters to its linear layers, and return the peft wrapper.

    The wrapped model object stays the one that computes; a reward head stays trainable.
    """
    from peft import LoraConfig, get_peft_model

    head = head_of(model) if kind == "reward" else None
    excluded = [
        name for name, module in model.named_modules() if head is not None and module is head
    ]
    settings = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        exclude_modules=excluded or None,
    )
    wrapped = get_peft_model(model, settings)
    for part in (head, attached(model)):
        if part is not None:
            part.requires_grad_(True)
    return wrapped


def merged(wrapped: Any) -> Any:
    """The plain model with the adapters added to its weights."""
    return wrapped.merge_and_unload()
