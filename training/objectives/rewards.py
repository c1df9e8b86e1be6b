"""Presets of reward models."""

from __future__ import annotations

import math
from typing import Any

from training.objectives.objective import Objective


def _reward(name: str, link: str = "logistic", **fields: Any) -> Objective:
    return Objective(name, "reward", "reward", link, **fields)


REWARDS = (
    _reward(
        "bt", paper="2203.02155", about="Bradley-Terry: the winner's reward above the loser's."
    ),
    _reward(
        "bt_margin",
        paper="2307.09288",
        margin_scale=1.0,
        about="Bradley-Terry with a margin for strong preferences.",
    ),
    _reward(
        "bt_soft",
        paper="soft labels of Bradley-Terry",
        labels="soft",
        about="Bradley-Terry on probabilities, ties included.",
    ),
    _reward(
        "bt_noise",
        paper="2403.00409",
        labels="soft",
        noise_default=0.1,
        about="Bradley-Terry corrected for sources that err at a known rate.",
    ),
    _reward(
        "bt_centred",
        paper="2312.09244",
        centring=0.01,
        about="Bradley-Terry with rewards around 0.",
    ),
    _reward(
        "bt_davidson",
        "davidson",
        paper="Davidson 1970",
        about="Wins, losses and ties as outcomes; ties grow likelier where rewards are near.",
    ),
    _reward(
        "bt_rao_kupper",
        "rao_kupper",
        paper="Rao and Kupper 1967",
        about="Wins, losses and ties as outcomes; a side wins by more than a threshold.",
    ),
    _reward(
        "probit",
        "probit",
        paper="Thurstone 1927",
        about="Rewards with normal noise; with a distribution head, its exact likelihood.",
    ),
    _reward(
        "dpl",
        paper="2312.08358",
        beta=math.sqrt(2 * math.pi),
        about="Mean and variance of the reward; needs the distribution head.",
    ),
    _reward(
        "attributes",
        paper="2406.12845",
        attribute_weight=1.0,
        about="A rating per attribute and a gate that mixes them; needs the attributes head.",
    ),
    _reward(
        "plackett_luce",
        "plackett_luce",
        paper="Plackett 1975, Luce 1959",
        about="The likelihood of a whole ranking, ties and unranked completions included.",
    ),
)
