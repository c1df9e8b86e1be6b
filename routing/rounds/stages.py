"""What each stage of a round runs, in the order of `titles.TITLES`."""

from collections.abc import Callable
from typing import Any

from . import collecting, learning
from .titles import TITLES
from .work import Work

# A stage may be repeated after a kill; it then finds what it already did.
Stage = Callable[[Work], dict[str, Any]]
_RUN: dict[str, Stage] = {
    "prepare": collecting.prepare,
    "embed": collecting.embed,
    "seed": collecting.seed,
    "fit": collecting.fit,
    "route": collecting.route,
    "label": collecting.label,
    "consensus": collecting.settle,
    "snapshot": learning.snapshot,
    "reward": learning.reward,
    "policy": learning.policy,
    "compare": learning.compare,
    "export": learning.export,
}
STAGES: tuple[tuple[str, Stage], ...] = tuple((name, _RUN[name]) for name in TITLES)
