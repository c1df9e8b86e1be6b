"""What becomes of the scores of pairs before and after their link."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.comparisons import Comparisons
from training.objectives.objective import Objective
from training.objectives.running import Running
from training.objectives.scores import sides
from training.objectives.signals import Signals, given

TINY = 1e-8
LOWEST_BETA = 1e-3


@dataclass(frozen=True, slots=True)
class Side:
    """Scores of one side of M pairs, as the better one and as the worse one."""

    better: Tensor
    worse: Tensor

    def times(self, factor: Tensor) -> Side:
        """Both multiplied."""
        return Side(self.better * factor, self.worse * factor)


def paired_scores(signals: Signals, labels: Comparisons, objective: Objective) -> tuple[Side, Side]:
    """Scores of the first and of the second sides, what other aims are worth taken off."""
    better, worse = (value / objective.aim_weight for value in sides(signals, objective))
    first, second = labels.pairs[:, 0], labels.pairs[:, 1]
    offset = labels.offset
    return Side(better[first] - offset, worse[first] - offset), Side(better[second], worse[second])


def adapted(margin: Tensor, objective: Objective, running: Running) -> tuple[Tensor, Tensor]:
    """Factor of beta and weight of each pair from the margins of the batch (2407.08639).

    The factor is 1 + adaptation * (mean kept margin - running mean); kept pairs are drawn without
    replacement by the density of their margin under the running normal distribution, and weigh
    as much as all. Margins are log-ratio differences without beta. The first step, before which
    nothing is known, changes nothing.
    """
    gap = margin.detach() / objective.beta
    running.note("margin", gap)
    everyone = torch.ones_like(gap)
    if "margin_mean" not in running.values or not len(gap):
        return gap.new_ones(()), everyone
    mean = running.values["margin_mean"]
    chosen = _drawn(gap, mean, objective.kept_share, running)
    factor = 1 + objective.adaptation * (gap[chosen].mean() - mean)
    kept = torch.zeros_like(gap).index_fill(0, chosen, len(gap) / len(chosen))
    return factor.clamp(min=LOWEST_BETA / objective.beta), kept


def _drawn(gap: Tensor, mean: float, share: float, running: Running) -> Tensor:
    """Indices of the kept pairs; the draw depends on the number of steps done and nothing else."""
    count = max(int(len(gap) * share), 1)
    if share == 1:
        return torch.arange(len(gap), device=gap.device)
    spread = max(running.get("margin_deviation", 0.0), TINY)
    density = torch.exp(-((gap - mean) / spread).square() / 2).clamp(min=TINY)
    generator = torch.Generator().manual_seed(int(running.get("steps", 0.0)))
    return torch.multinomial(density.cpu(), count, generator=generator).to(gap.device)


def pair_weights(signals: Signals, labels: Comparisons) -> Tensor:
    """(M,) likelihood of both sides under the policy, per token, no graph (2406.11827)."""
    alignment = given(signals, "alignment").detach()
    return torch.exp(alignment[labels.pairs[:, 0]] + alignment[labels.pairs[:, 1]])


def sorted_differences(signals: Signals, labels: Comparisons, objective: Objective) -> Tensor:
    """Logistic losses of sorted values of the micro-batch, each at the pair of its rank.

    "sorted_margins" sets the policy's sorted margins against the reference's, "sorted_sides" the
    sorted log-ratios of better sides against those of worse ones (2406.05882).
    """
    logp, reference = given(signals, "logp"), given(signals, "reference_logp")
    first, second = labels.pairs[:, 0], labels.pairs[:, 1]
    if objective.link == "sorted_margins":
        upper, lower = logp[first] - logp[second], reference[first] - reference[second]
    else:
        upper, lower = (logp - reference)[first], (logp - reference)[second]
    upper, rank = torch.sort(upper)
    d = objective.beta * (upper - torch.sort(lower).values)
    smooth = objective.smoothing
    value = (1 - smooth) * functional.softplus(-d) + smooth * functional.softplus(d)
    return torch.zeros_like(value).index_put((rank,), value)
