"""Pairs whose scores read single tokens or lengths."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective
from training.objectives.presets.making import policy


def _tokens(name: str, **fields: Any) -> Objective:
    return policy(name, "log_ratio", group="tokens", **fields)


TOKENS = (
    _tokens(
        "tdpo1",
        paper="2404.11999",
        kl_sides="both",
        about="DPO per token: the gap of the sequential KLs is taken from the margin.",
    ),
    _tokens(
        "tdpo2",
        paper="2404.11999",
        kl_sides="rejected",
        kl_weight=0.5,
        about="TDPO with the better side's KL held fixed.",
    ),
    _tokens(
        "ld_dpo",
        paper="2409.06411",
        tail_weight=0.5,
        about="Tokens beyond the shorter side's length count less.",
    ),
    _tokens(
        "rdpo_2403_19159",
        paper="2403.19159",
        length_bonus=0.01,
        about="DPO with length taken out of what is learnt.",
    ),
)
