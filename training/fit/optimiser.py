"""AdamW with its learning rate as a pure function of the step."""

from __future__ import annotations

import math
from typing import Any

import torch

from training.fit.config import FitConfig, Optimiser


def make_optimiser(model: Any, weight_decay: float, settings: Optimiser) -> torch.optim.AdamW:
    """AdamW over the trained parameters; vectors (norms, biases) are not decayed."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    kept = [group for group in groups if group["params"]]
    return torch.optim.AdamW(
        kept, lr=0.0, betas=(settings.beta1, settings.beta2), eps=settings.eps, fused=True
    )


def learning_rate(config: FitConfig, peak: float, step: int, total: int) -> float:
    """Learning rate of step 0 … total-1: linear warm-up, then the schedule."""
    warmup = math.ceil(config.warmup * total if config.warmup < 1 else config.warmup)
    warmup = min(warmup, total - 1)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(total - warmup, 1)
    if config.schedule == "linear":
        return peak * (1 - done)
    if config.schedule == "cosine":
        return peak * (1 + math.cos(math.pi * done)) / 2
    if config.schedule == "wsd":
        return peak * min((1 - done) / config.decay, 1.0)
    return peak


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next step."""
    for group in optimiser.param_groups:
        group["lr"] = rate
