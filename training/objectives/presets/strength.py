"""Pairs that come with a strength, a reward gap or ratings of several aims."""

from __future__ import annotations

from typing import Any

from training.objectives.objective import Objective
from training.objectives.presets.making import policy


def _strength(name: str, link: str = "logistic", **fields: Any) -> Objective:
    return policy(name, "log_ratio", link, group="strength, margins and several aims", **fields)


STRENGTH = (
    _strength(
        "odpo",
        paper="2402.10571",
        margin_scale=1.0,
        about="DPO with an offset for strong preferences.",
    ),
    _strength(
        "mappo",
        "mappo",
        paper="2507.21183",
        margin_scale=1.0,
        about="DPO with the worse side scaled by a reward gap from 0 to 1.",
    ),
    _strength(
        "rpo_sq_2406_11704",
        "gap_squared",
        paper="2406.11704",
        margin_scale=1.0,
        about="The margin should equal a reward gap: squared distance (also REBEL).",
    ),
    _strength(
        "rpo_bwd_2406_11704",
        "gap_backward",
        paper="2406.11704",
        margin_scale=1.0,
        about="The margin should equal a reward gap: backward KL.",
    ),
    _strength(
        "rpo_fwd_2406_11704",
        "gap_forward",
        paper="2406.11704",
        margin_scale=1.0,
        about="The margin should equal a reward gap: forward KL.",
    ),
    _strength(
        "modpo",
        paper="2310.03708",
        about="DPO for one aim with the ratings of other aims taken into account.",
    ),
)
