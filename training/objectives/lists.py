"""Links over the scores of one prompt's whole list."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.objective import Objective

# ((K,) scores, K relevances, objective) -> a scalar.
ListLink = Callable[[Tensor, Sequence[float], Objective], Tensor]


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


def lambda_loss(score: Tensor, relevance: Sequence[float]) -> Tensor:
    """Sum over i above j of |G_i - G_j| |1/D_i - 1/D_j| softplus(-(s_i - s_j)) (2402.01878).

    G = 2^relevance - 1 and D = log(1 + rank of the current score); the weights have no graph.
    """
    score, relevance = _ranked(score, relevance)
    psi = score.new_tensor(relevance)
    order = torch.argsort(score.detach(), descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(1, len(order) + 1, device=order.device)
    gain, discount = torch.exp2(psi) - 1, torch.log1p(rank.to(score.dtype)).reciprocal()
    weight = (gain[:, None] - gain).abs() * (discount[:, None] - discount).abs()
    above = (psi[:, None] > psi).to(score.dtype)
    return (above * weight * functional.softplus(score - score[:, None])).sum()


def gap_temperature(score: Tensor, relevance: Sequence[float]) -> Tensor:
    """Best against the rest, again and again, gaps of relevance as factors (2306.17492).

    sum_k log(exp(s_k g_k) + sum_{i > k} exp(s_i (r_k - r_i))) - s_k g_k, where g_k is the largest
    of the gaps r_k - r_i.
    """
    score, relevance = _ranked(score, relevance)
    order = sorted(range(len(relevance)), key=lambda k: -relevance[k])
    s, r = score[order], score.new_tensor([relevance[k] for k in order])
    loss = score.new_zeros(())
    for k in range(len(order) - 1):
        gaps = r[k] - r[k + 1 :]
        best = s[k] * gaps.max()
        loss = loss + torch.logsumexp(torch.cat([best[None], s[k + 1 :] * gaps]), 0) - best
    return loss


def softmax_targets(score: Tensor, relevance: Sequence[float], temperature: float) -> Tensor:
    """Cross-entropy of softmax(s) to softmax(relevance / temperature) (2402.05369, InfoNCA)."""
    score, relevance = _ranked(score, relevance)
    target = torch.softmax(score.new_tensor(relevance) / temperature, 0)
    return -(target * functional.log_softmax(score, 0)).sum()


def softmax_nca(score: Tensor, relevance: Sequence[float], temperature: float) -> Tensor:
    """Every completion against noise, weighted by the same targets (2402.05369, NCA)."""
    score, relevance = _ranked(score, relevance)
    target = torch.softmax(score.new_tensor(relevance) / temperature, 0)
    wanted = (target * functional.softplus(-score)).sum()
    return wanted + functional.softplus(score).mean()


def _ranked(score: Tensor, relevance: Sequence[float]) -> tuple[Tensor, list[float]]:
    """Without unranked completions."""
    kept = [k for k, r in enumerate(relevance) if not math.isnan(r)]
    return score[kept], [relevance[k] for k in kept]


LISTS: Mapping[str, ListLink] = {
    "plackett_luce": lambda s, r, _: plackett_luce(s, r),
    "lambda": lambda s, r, _: lambda_loss(s, r),
    "gap_temperature": lambda s, r, _: gap_temperature(s, r),
    "softmax": lambda s, r, o: softmax_targets(s, r, o.temperature),
    "softmax_nca": lambda s, r, o: softmax_nca(s, r, o.temperature),
}
