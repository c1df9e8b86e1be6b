"""The loss of a micro-batch: score, link, extra terms (presets are configurations of them)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from training.objectives.comparisons import Comparisons, comparisons
from training.objectives.head_losses import HeadSignals, reward_losses
from training.objectives.links import PAIRS
from training.objectives.lists import LISTS, plackett_luce
from training.objectives.objective import PAIR_LINKS, Objective
from training.objectives.running import Running
from training.objectives.scores import scores
from training.objectives.signals import Signals, given
from training.objectives.singles import single_losses
from training.objectives.weighing import adapted, pair_weights, paired_scores, sorted_differences

__all__ = [
    "Comparisons",
    "Signals",
    "comparisons",
    "group_losses",
    "link_function",
    "plackett_luce",
    "scores",
    "total_loss",
]


def total_loss(
    signals: Signals, labels: Comparisons, objective: Objective, running: Running | None = None
) -> Tensor:
    """Sum over prompts of weight times loss; divide by the number of prompts of the step."""
    return (labels.weight * group_losses(signals, labels, objective, running)).sum()


def group_losses(
    signals: Signals, labels: Comparisons, objective: Objective, running: Running | None = None
) -> Tensor:
    """Unweighted loss of each prompt, shape (G,).

    Args:
        running: what earlier steps have left, for stateful objectives; takes note of this
            micro-batch.
    """
    if objective.score == "reward":
        head = signals.head or HeadSignals(given(signals, "reward"))
        return reward_losses(head, labels, objective)
    score = scores(signals, objective)
    loss = score.new_zeros(labels.weight.shape)
    if objective.link != "none":
        value = _preference_losses(score, signals, labels, objective, running or Running())
        loss = objective.preference_weight * value
    if objective.centring:
        mean = labels.mean_over_completions(score)
        loss = loss + objective.centring * (2 * mean).square()
    if objective.nll_weight:
        nll = -given(signals, "logp") / signals.tokens * labels.best
        loss = loss.index_add(0, labels.group, (objective.nll_weight * nll).to(loss.dtype))
    return loss


def _preference_losses(
    score: Tensor, signals: Signals, labels: Comparisons, objective: Objective, running: Running
) -> Tensor:
    if objective.link in LISTS:
        return _list_losses(score, labels, objective)
    if objective.link in PAIR_LINKS:
        return _pair_losses(signals, labels, objective, running)
    return single_losses(score, signals, labels, objective, running)


def link_function(objective: Objective) -> Callable[[Tensor], Tensor]:
    """The function l of a score difference d that a pairwise objective minimises.

    Raises:
        ValueError: the objective's link does not compare pairs.
    """
    if objective.link not in PAIRS:
        message = f"link {objective.link} does not compare pairs"
        raise ValueError(message)
    link = PAIRS[objective.link]
    return lambda d: link(d, torch.zeros_like(d), torch.zeros_like(d), objective)


def _pair_losses(
    signals: Signals, labels: Comparisons, objective: Objective, running: Running
) -> Tensor:
    """Mean or sum over the pairs of each prompt of q*l(first, second) + (1-q)*l(second, first)."""
    if objective.link in PAIRS:
        link = PAIRS[objective.link]
        first, second = paired_scores(signals, labels, objective)
        kept = torch.ones_like(labels.target)
        if objective.adaptive:
            scale, kept = adapted(first.better - second.worse, objective, running)
            first, second = first.times(scale), second.times(scale)
        value = labels.target * link(first.better, second.worse, labels.margin, objective)
        swapped = link(second.better, first.worse, labels.margin, objective)
        value = kept * (value + (1 - labels.target) * swapped)
    else:
        value = sorted_differences(signals, labels, objective)
    if objective.likelihood_weighted:
        value = value * pair_weights(signals, labels)
    summed = objective.reduction == "sum"
    return labels.sum_over_pairs(value) if summed else labels.mean_over_pairs(value)


def _list_losses(score: Tensor, labels: Comparisons, objective: Objective) -> Tensor:
    link = LISTS[objective.link]
    parts = torch.split(score, [len(relevance) for relevance in labels.lists])
    pairs = zip(parts, labels.lists, strict=True)
    return torch.stack([link(part, relevance, objective) for part, relevance in pairs])
