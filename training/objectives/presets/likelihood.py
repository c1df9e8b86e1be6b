"""Next-token likelihood of completions, chosen or weighted by their ratings."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective
from training.objectives.presets.making import policy


def _likelihood(name: str, **fields: Any) -> Objective:
    return policy(name, "logp", "none", beta=1.0, nll_weight=1.0, group="likelihood", **fields)


LIKELIHOOD = (
    _likelihood("sft", paper="next-token likelihood", about="Likelihood of the best completion."),
    _likelihood(
        "filtered_sft",
        paper="2308.12050",
        likelihood="all_desirable",
        about="Likelihood of every good completion (filtered MLE, rejection sampling).",
    ),
    _likelihood(
        "rwr",
        paper="2308.12050",
        likelihood="reward_weighted",
        about="Likelihood of every completion, weighted by exp(rating / temperature).",
    ),
)
