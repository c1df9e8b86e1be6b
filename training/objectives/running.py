"""Numbers that an objective carries from step to step: plain floats, part of every checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from torch import Tensor

from training.objectives.objective import Objective

Sums = dict[str, float]
SIDES = ("wanted", "unwanted")


@dataclass(slots=True)
class Running:
    """What was seen up to the last step, and what this step has seen so far.

    A loss reads what earlier steps have left, so that it does not depend on how a step is cut
    into micro-batches or over processes.

    Attributes:
        values: kept between steps and in checkpoints.
        seen: sums over the micro-batches of this step.
    """

    values: dict[str, float] = field(default_factory=dict)
    seen: Sums = field(default_factory=dict)

    def note(self, name: str, numbers: Tensor) -> None:
        """Add numbers of a micro-batch to the sums of this step."""
        n = numbers.detach().double()
        for part, value in (("count", len(n)), ("sum", n.sum()), ("square", n.square().sum())):
            key = f"{name}_{part}"
            self.seen[key] = self.seen.get(key, 0.0) + float(value)

    def get(self, name: str, default: float) -> float:
        """A kept value, or `default` before the first step."""
        return self.values.get(name, default)

    def commit(self, objective: Objective, total: Callable[[Sums], Sums] | None = None) -> None:
        """End a step: take its sums, over all processes by `total`, into the kept values."""
        sums = total(self.seen) if total else self.seen
        self.seen = {}
        if objective.link == "shifted_logistic":
            for name in SIDES:
                self._mean(name, sums)
        if objective.adaptive:
            self._moving(sums, objective.momentum)

    def _mean(self, name: str, sums: Sums) -> None:
        """The mean over everything that was ever seen."""
        count = sums.get(f"{name}_count", 0.0)
        if count:
            before = self.get(f"{name}_count", 0.0)
            mean = self.get(f"{name}_mean", 0.0)
            self.values[f"{name}_count"] = before + count
            self.values[f"{name}_mean"] = mean + (sums[f"{name}_sum"] - count * mean) / (
                before + count
            )

    def _moving(self, sums: Sums, momentum: float) -> None:
        """Moving mean and standard deviation of the margins of steps."""
        count = sums.get("margin_count", 0.0)
        if not count:
            return
        mean = sums["margin_sum"] / count
        spread = math.sqrt(max(sums["margin_square"] / count - mean**2, 0.0))
        for name, value in (("margin_mean", mean), ("margin_deviation", spread)):
            kept = self.get(name, value)
            self.values[name] = momentum * kept + (1 - momentum) * value
        self.values["steps"] = self.get("steps", 0.0) + 1

    def shift(self) -> float:
        """Middle between the mean scores of wanted and of unwanted completions."""
        means = [self.values[f"{name}_mean"] for name in SIDES if f"{name}_mean" in self.values]
        return sum(means) / len(means) if means else 0.0


def added(parts: Iterable[Sums]) -> Sums:
    """The sums of several processes, together."""
    total: Sums = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total
