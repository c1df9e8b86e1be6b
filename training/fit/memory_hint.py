"""What to change where memory has run out, with the figures of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GENERAL = "Lower `token_budget` or `max_length`, use bf16 or LoRA, or choose a smaller model."


def memory_hint(place: Path) -> str:
    """Settings that save memory and are not at their best yet, with their values.

    Args:
        place: the work folder, or any folder with a `config.json`; where that is no configuration
            of a fit, the hint names no figures.
    """
    try:
        config = json.loads((place / "config.json").read_text())
    except (OSError, ValueError):
        return GENERAL
    if not isinstance(config, dict) or "preset" not in config:
        return GENERAL
    return "; ".join(_changes(config)) + "; or choose a smaller base model."


def _changes(config: dict[str, Any]) -> list[str]:
    """Each change that is left, the one that costs least time first."""
    budget, longest = config.get("token_budget", 2048), config.get("max_length", 512)
    # A row over the budget stands alone, so the budget alone does not bound a micro-batch.
    lower = max(int(budget) // 2, int(longest))
    found = []
    if lower < budget:
        more = 2 * int(config.get("accumulate", 1))
        found += [f"`token_budget` is {budget}: set {lower} and `accumulate` {more}"]
    found += [f"`max_length` is {longest}: set {int(longest) // 2}"]
    if config.get("precision", "fp32") == "fp32":
        found += ["`precision` is fp32: set bf16, which halves activations"]
    if not config.get("gradient_checkpointing"):
        found += ["`gradient_checkpointing` is off: set true, which keeps one activation per layer"]
    base = config.get("base") or {}
    if not config.get("lora") and base.get("scratch") is None:
        found += ['`lora` is off: set {"r": 16}, which trains about a hundredth of the weights']
    return found
