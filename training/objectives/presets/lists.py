"""All completions of a prompt at once."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective, Score
from training.objectives.presets.making import policy


def _list(name: str, link: str, score: Score = "log_ratio", **fields: Any) -> Objective:
    return policy(name, score, link, group="lists and sets", **fields)


LISTS = (
    _list(
        "pl_dpo",
        "plackett_luce",
        paper="2305.18290",
        about="DPO on whole rankings (Plackett-Luce).",
    ),
    _list(
        "lipo_lambda",
        "lambda",
        paper="2402.01878",
        about="Pairs weighted by what swapping them costs the ranking.",
    ),
    _list(
        "pro_2306_17492",
        "gap_temperature",
        "logp_mean",
        paper="2306.17492",
        beta=1.0,
        nll_weight=0.05,
        about="Best first, then the rest, with reward gaps as temperatures; with likelihood.",
    ),
    _list(
        "rrhf",
        "hinge",
        "logp_mean",
        paper="2304.05302",
        beta=1.0,
        threshold=0.0,
        reduction="sum",
        nll_weight=1.0,
        about="Mean log-probabilities in the order of the ranking; with likelihood.",
    ),
    _list(
        "info_nca",
        "softmax",
        paper="2402.05369",
        about="Softmax of the scores towards softmax of the ratings.",
    ),
    _list(
        "nca", "softmax_nca", paper="2402.05369", about="Like info_nca with absolute likelihoods."
    ),
)
