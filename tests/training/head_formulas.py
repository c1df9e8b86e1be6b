"""The formulas of docs/reward-models.md, from what plain transformers gives and the two files.

Nothing of `training` is imported here: this is what somebody writes who serves a folder elsewhere.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor


def rewards(folder: Path, logits: Tensor, prompt: Tensor, annotator: str = "") -> Tensor:
    """(K,) rewards of one prompt's completions.

    Args:
        logits: (K, N) of the classifier, one row per completion.
        prompt: (H,) last hidden state at the prompt's last token.
    """
    info = json.loads((folder / "head.json").read_text())
    tensors = load_file(folder / "head.safetensors")
    kind = info["head"]["kind"]
    if kind == "ensemble":
        return logits.mean(1)
    if kind == "attributes":
        mixed: Tensor = logits @ torch.softmax(gate(tensors, prompt), 0)
        scaled: Tensor = tensors["scale"].exp() * mixed
        return scaled
    if kind == "preference":
        return by_win_rate(logits, tensors, prompt)
    if kind in ("annotators", "ideal_point", "mixture"):
        return personal(info, logits, tensors, prompt, deviation(info, tensors, annotator))
    return logits[:, 0]


def personal(
    info: dict[str, Any],
    logits: Tensor,
    tensors: dict[str, Tensor],
    prompt: Tensor,
    own: Tensor | float,
) -> Tensor:
    if info["head"]["kind"] == "mixture":
        return logits @ torch.softmax(gate(tensors, prompt) + own, 0)
    weights = tensors["shared"] + own
    if info["head"]["kind"] == "ideal_point":
        ideal = torch.softmax(weights, 0) @ tensors["prototypes"]
        distance: Tensor = torch.linalg.vector_norm(logits - ideal, dim=1)
        return -distance
    return logits @ (torch.softmax(weights, 0) if info["head"]["weights"] == "simplex" else weights)


def gate(tensors: dict[str, Tensor], prompt: Tensor) -> Tensor:
    bias = tensors["gate_bias"]
    return tensors["gate"] @ prompt + bias if "gate" in tensors else bias


def deviation(info: dict[str, Any], tensors: dict[str, Tensor], annotator: str) -> Tensor | float:
    known = info["annotators"]
    return tensors["deviation"][known.index(annotator)] if annotator in known else 0.0


def by_win_rate(vectors: Tensor, tensors: dict[str, Tensor], prompt: Tensor) -> Tensor:
    logits = gate(tensors, prompt)
    if "gate" in tensors:
        logits = logits / math.sqrt(len(prompt))
    scales = torch.softmax(logits, 0) * len(logits)
    # Rates near 0 and 1 need more digits than float32 has.
    a, b = vectors[:, 0::2].double(), vectors[:, 1::2].double()
    scores = (scales * a) @ b.T - (scales * b) @ a.T
    wins = torch.sigmoid(scores) - 0.5 * torch.eye(len(a))
    rate = wins.sum(1) / (len(a) - 1)
    return torch.log(rate / (1 - rate)) / 2
