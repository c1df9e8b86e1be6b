"""The loss of a micro-batch: score, link, extra terms (algorithms: presets are configurations)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.preference import (
    Preference,
    best_shares,
    compared_pairs,
    target_margin,
    target_probability,
)
from training.objectives.presets import Objective


@dataclass(frozen=True, slots=True)
class Signals:
    """What the models say about the C completions of a micro-batch, each of shape (C,).

    Attributes:
        tokens: completion length n in tokens.
        reward: output of the reward head.
        logp: sum of the completion's token log-probabilities in nats.
        reference_logp: the same under the reference model.
    """

    tokens: Tensor
    reward: Tensor | None = None
    logp: Tensor | None = None
    reference_logp: Tensor | None = None

    def detached(self) -> Signals:
        """The same values without their graph."""

        def cut(value: Tensor | None) -> Tensor | None:
            return None if value is None else value.detach()

        logps = cut(self.logp), cut(self.reference_logp)
        return Signals(self.tokens.detach(), cut(self.reward), *logps)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Labels of G prompts with C completions and M compared pairs, as tensors.

    Attributes:
        pairs: (M, 2) completion indices, first side labelled.
        pair_group: (M,) prompt of each pair.
        target: (M,) weight q of the first side, see `target_probability`.
        margin: (M,) margin of each pair.
        weight: (G,) weight of each prompt.
        best: (C,) share of each completion in the likelihood term.
        group: (C,) prompt of each completion.
        lists: per prompt, the relevance of its completions.
    """

    pairs: Tensor
    pair_group: Tensor
    target: Tensor
    margin: Tensor
    weight: Tensor
    best: Tensor
    group: Tensor
    lists: tuple[tuple[float, ...], ...]


def comparisons(
    preferences: Sequence[Preference],
    objective: Objective,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Comparisons:
    """Turn labels into index and target tensors; completions are numbered prompt after prompt."""
    rows: list[tuple[int, int, int, float, float]] = []
    groups: list[int] = []
    for number, preference in enumerate(preferences):
        start = len(groups)
        groups += [number] * len(preference.relevance)
        margin = target_margin(preference.margin, objective)
        for i, j, p in compared_pairs(preference, objective):
            q = target_probability(p, objective, preference.source)
            rows.append((start + i, start + j, number, q, margin))

    def floats(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    def indices(values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    return Comparisons(
        pairs=indices([side for row in rows for side in row[:2]]).view(-1, 2),
        pair_group=indices([row[2] for row in rows]),
        target=floats([row[3] for row in rows]),
        margin=floats([row[4] for row in rows]),
        weight=floats([preference.weight for preference in preferences]),
        best=floats([share for preference in preferences for share in best_shares(preference)]),
        group=indices(groups),
        lists=tuple(preference.ranked() for preference in preferences),
    )


def scores(signals: Signals, objective: Objective) -> Tensor:
    """Score s of each completion, shape (C,): beta times reward, log-ratio, log-probability …"""
    if objective.score == "reward":
        return objective.beta * _given(signals.reward, "reward")
    logp = _given(signals.logp, "logp")
    if objective.score == "log_odds":
        return objective.beta * _log_odds(logp / signals.tokens)
    if objective.needs_reference:
        logp = logp - _given(signals.reference_logp, "reference_logp")
    if objective.score.endswith("_mean"):
        logp = logp / signals.tokens
    # The squared link has beta in its target, 1 / (2 beta), not in the score.
    return logp if objective.link == "squared" else objective.beta * logp


def _log_odds(mean_logp: Tensor) -> Tensor:
    """log(P / (1 - P)) for P = exp(mean token log-probability)."""
    tiny = torch.finfo(mean_logp.dtype).eps
    bounded = mean_logp.clamp(max=-tiny)
    return bounded - torch.log(-torch.expm1(bounded))


def _given(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        message = f"this objective needs the signal {name}"
        raise ValueError(message)
    return value


def group_losses(signals: Signals, labels: Comparisons, objective: Objective) -> Tensor:
    """Unweighted loss of each prompt, shape (G,)."""
    score = scores(signals, objective)
    loss = score.new_zeros(labels.weight.shape)
    if objective.listwise:
        loss = objective.preference_weight * _list_losses(score, labels)
    elif objective.link != "none":
        loss = objective.preference_weight * _pair_losses(score, labels, objective)
    if objective.centring:
        loss = loss + objective.centring * (2 * _group_mean(score, labels)).square()
    if objective.nll_weight:
        nll = -_given(signals.logp, "logp") / signals.tokens * labels.best
        loss = loss.index_add(0, labels.group, objective.nll_weight * nll)
    return loss


def total_loss(signals: Signals, labels: Comparisons, objective: Objective) -> Tensor:
    """Sum over prompts of weight times loss; divide by the number of prompts of the step."""
    return (labels.weight * group_losses(signals, labels, objective)).sum()


def _group_mean(score: Tensor, labels: Comparisons) -> Tensor:
    sums = score.new_zeros(labels.weight.shape).index_add(0, labels.group, score)
    return sums / torch.bincount(labels.group, minlength=len(labels.weight))


def link_function(objective: Objective) -> Callable[[Tensor], Tensor]:
    """The function l of a score difference d that a pairwise objective minimises."""
    if objective.link == "logistic":
        return lambda d: functional.softplus(-d)
    if objective.link == "hinge":
        return lambda d: functional.relu(1 - d)
    if objective.link == "squared":
        return lambda d: (d - 1 / (2 * objective.beta)).square()
    message = f"link {objective.link} does not compare pairs"
    raise ValueError(message)


def _pair_losses(score: Tensor, labels: Comparisons, objective: Objective) -> Tensor:
    """Mean over the pairs of each prompt of q*l(d - m) + (1-q)*l(-d - m)."""
    link = link_function(objective)
    difference = score[labels.pairs[:, 0]] - score[labels.pairs[:, 1]]
    value = labels.target * link(difference - labels.margin)
    value = value + (1 - labels.target) * link(-difference - labels.margin)
    sums = score.new_zeros(labels.weight.shape).index_add(0, labels.pair_group, value)
    count = torch.bincount(labels.pair_group, minlength=len(labels.weight)).clamp(min=1)
    return sums / count


def _list_losses(score: Tensor, labels: Comparisons) -> Tensor:
    sizes = [len(relevance) for relevance in labels.lists]
    parts = torch.split(score, sizes)
    pairs = zip(parts, labels.lists, strict=True)
    return torch.stack([plackett_luce(part, relevance) for part, relevance in pairs])


def plackett_luce(score: Tensor, relevance: Sequence[float]) -> Tensor:
    """Negative log-likelihood of a ranking with ties, a scalar.

    A block of tied completions counts as the mean over its orders; unranked completions (NaN)
    appear in the denominators only. Without ties this is
    -sum_k log(exp s_(k) / sum_{j >= k} exp s_(j)).

    Args:
        score: (K,) scores.
        relevance: K numbers, higher is better.
    """
    levels = sorted({r for r in relevance if not math.isnan(r)}, reverse=True)
    below = [k for k, r in enumerate(relevance) if math.isnan(r)]
    loss = score.new_zeros(())
    for level in reversed(levels):
        block = [k for k, r in enumerate(relevance) if r == level]
        loss = loss + _block_loss(score, block, below)
        below += block
    return loss


def _block_loss(score: Tensor, block: list[int], below: list[int]) -> Tensor:
    """Mean over the orders of one tied block, completions `below` still to come.

    The mean over orders of log(sum of what is left) is, for each number m of block members
    left, the mean over the subsets of that size, so 2^|block| terms are enough.
    """
    loss = -score[block].sum()
    for size in range(1, len(block) + 1):
        left = [list(subset) + below for subset in combinations(block, size)]
        loss = loss + torch.logsumexp(score[torch.tensor(left)], dim=1).mean()
    return loss
