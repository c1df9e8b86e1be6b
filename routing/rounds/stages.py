"""The stages of a round, in order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import collecting, learning
from .work import Work


@dataclass(frozen=True)
class Stage:
    """One stage; `run` may be repeated after a kill and then finds what it already did."""

    name: str
    title: str
    run: Callable[[Work], dict[str, Any]]


STAGES = (
    Stage("prepare", "Draw the splits, open the budgets", collecting.prepare),
    Stage("embed", "Embed the completions", collecting.embed),
    Stage("seed", "Dual-label the seed and the held-out prompts", collecting.seed),
    Stage("fit", "Fit the router", collecting.fit),
    Stage("route", "Route the rest under the budget", collecting.route),
    Stage("label", "Collect the labels", collecting.label),
    Stage("consensus", "Bring the labels together", collecting.settle),
    Stage("snapshot", "Freeze a snapshot", learning.snapshot),
    Stage("reward", "Train the reward model", learning.reward),
    Stage("policy", "Train the policy with DPO", learning.policy),
    Stage("compare", "Compare with other mixes", learning.compare),
    Stage("export", "Export the data set", learning.export),
)
