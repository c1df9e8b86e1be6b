"""Completions judged one at a time: wanted or unwanted, paired or not."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective
from training.objectives.presets.making import policy


def _single(name: str, link: str, **fields: Any) -> Objective:
    return policy(name, "log_ratio", link, group="one completion at a time", **fields)


SINGLES = (
    _single(
        "kto",
        "kto",
        paper="2402.01306",
        about="Gains and losses over the policy's drift (prospect theory).",
    ),
    _single(
        "bco",
        "shifted_logistic",
        paper="2404.04656",
        about="A classifier of wanted and unwanted with a running shift.",
    ),
    _single(
        "apo_zero_unpaired",
        "apo_zero_single",
        paper="2408.06266",
        about="Raises wanted, lowers unwanted completions.",
    ),
    _single(
        "sppo",
        "win_rate",
        paper="2405.00675",
        about="Each log-ratio towards its win rate: one round of self-play.",
    ),
)
