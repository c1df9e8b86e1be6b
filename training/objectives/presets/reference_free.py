"""Pairs compared by the policy's own likelihood; no reference is kept."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective, Score
from training.objectives.presets.making import policy


def _free(name: str, score: Score, link: str = "logistic", **fields: Any) -> Objective:
    return policy(name, score, link, group="pairs without a reference", **fields)


REFERENCE_FREE = (
    _free(
        "simpo",
        "logp_mean",
        paper="2405.14734",
        beta=2.0,
        gamma=1.0,
        about="Mean log-probabilities with a target margin.",
    ),
    _free(
        "alpha_po",
        "logp_mean",
        paper="2501.03884",
        beta=2.5,
        gamma=1.0,
        reward_alpha=0.25,
        about="SimPO with a bent reward.",
    ),
    _free(
        "orpo",
        "log_odds",
        paper="2403.07691",
        beta=1.0,
        preference_weight=0.1,
        nll_weight=1.0,
        about="Likelihood of the better side and its odds over the worse: one stage from the base.",
    ),
    _free(
        "cpo",
        "logp",
        paper="2401.08417",
        nll_weight=1.0,
        about="DPO without its reference, with likelihood.",
    ),
    _free(
        "slic",
        "logp",
        "hinge",
        paper="2305.10425",
        beta=1.0,
        nll_weight=1.0,
        about="A gap in log-probability, with likelihood.",
    ),
    _free(
        "asft",
        "log_odds",
        "bco_pair",
        paper="2409.10571",
        beta=1.0,
        nll_weight=1.0,
        about="Absolute likelihood of each side beside the likelihood term.",
    ),
    _free(
        "tpo_2405_16681",
        "logp",
        paper="2405.16681",
        nll_weight=1.0,
        pairs="below_best",
        about="Triples: likelihood of the best, the second over the third.",
    ),
    _free(
        "tpo_l_2405_16681",
        "logp_mean",
        paper="2405.16681",
        beta=2.0,
        gamma=1.0,
        nll_weight=1.0,
        pairs="below_best",
        about="Triples on mean log-probabilities with a target margin.",
    ),
)
