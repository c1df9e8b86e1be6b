"""The loss of reward heads: what a head says of completions, and its likelihood of the labels.

A head gives one reward, several rewards, a distribution or a vector per completion. All of them
say how likely each outcome of a comparison is (first better, second better, tie), so one function
weighs these likelihoods by the label.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.lists import plackett_luce
from training.objectives.objective import TIE_LINKS, Objective
from training.objectives.preference import EVEN

if TYPE_CHECKING:
    from training.objectives.core import Comparisons

_SAME = 1e-6


@dataclass(frozen=True, slots=True)
class HeadSignals:
    """What a reward head says of C completions of G prompts.

    Attributes:
        reward: (C,) the recommended scalar.
        judged: (C,) the scalar that meets the pair labels, where that is another one.
        variance: (C,) uncertainty of the reward.
        members: (C, K) several rewards, each of which meets the labels.
        member_weights: (G, K) how often each member sees a row.
        log_gate: (G, K) log of the members' shares: they are one mixture, not K models.
        vectors: (C, 2m) preference vectors.
        scales: (G, m) factors of their m planes.
        spread: (C,) variance by which differences are divided (standardised).
        attributes: (C, A) predicted ratings.
        ratings: (C, A) given ratings, NaN where nobody rated.
        prior: (G,) the rows' shares in the penalty of the annotators' vectors.
        correlations: (2,) of the reward and of the length part with the length in tokens.
        alignment: () product of the weights of these two parts.
        tie: () learnt width of ties.
    """

    reward: Tensor
    judged: Tensor | None = None
    variance: Tensor | None = None
    members: Tensor | None = None
    member_weights: Tensor | None = None
    log_gate: Tensor | None = None
    vectors: Tensor | None = None
    scales: Tensor | None = None
    spread: Tensor | None = None
    attributes: Tensor | None = None
    ratings: Tensor | None = None
    prior: Tensor | None = None
    correlations: Tensor | None = None
    alignment: Tensor | None = None
    tie: Tensor | None = None

    def detach(self) -> HeadSignals:
        """The same values without their graph."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        cut: dict[str, Any] = {n: v.detach() for n, v in values.items() if v is not None}
        return dataclasses.replace(self, **cut)


def reward_losses(head: HeadSignals, labels: Comparisons, objective: Objective) -> Tensor:
    """Unweighted loss of each prompt, (G,), of a head and an objective over pairs or rankings."""
    loss = objective.preference_weight * _label_losses(head, labels, objective)
    if objective.centring:
        loss = loss + objective.centring * _centring(head, labels, objective.beta)
    if head.attributes is not None:
        loss = loss + objective.attribute_weight * attribute_losses(head, labels)
    if head.spread is not None:
        loss = loss + objective.variance_penalty * labels.mean_over_completions(head.spread)
    if head.correlations is not None:
        loss = loss + _length_terms(head, objective)
    return loss if head.prior is None else loss + head.prior


def _label_losses(head: HeadSignals, labels: Comparisons, objective: Objective) -> Tensor:
    """(G,) negative log-likelihood of the pair labels or rankings."""
    if objective.listwise:
        rankings = _ranking_losses(head, labels, objective)
        if head.log_gate is not None:
            return -torch.logsumexp(head.log_gate - rankings, dim=1)
        return _member_mean(rankings, head)
    outcomes = outcome_losses(pair_differences(head, labels, objective), head, labels, objective)
    if head.log_gate is not None:
        gate = head.log_gate[labels.pair_group]
        outcomes = -torch.logsumexp(gate - outcomes, dim=2, keepdim=True)
    return _member_mean(_weighed(outcomes, labels, objective), head)


def _ranking_losses(head: HeadSignals, labels: Comparisons, objective: Objective) -> Tensor:
    """(G, K) Plackett–Luce loss of each member."""
    parts = torch.split(objective.beta * _met(head), [len(ranks) for ranks in labels.lists])
    return torch.stack(
        [
            torch.stack([plackett_luce(column, ranks) for column in part.unbind(1)])
            for part, ranks in zip(parts, labels.lists, strict=True)
        ]
    )


def _met(head: HeadSignals) -> Tensor:
    """(C, K) the rewards that meet the labels; K = 1 unless there are members."""
    if head.members is not None:
        return head.members
    return (head.reward if head.judged is None else head.judged)[:, None]


def _member_mean(losses: Tensor, head: HeadSignals) -> Tensor:
    """(G, K) to (G,): each member by how often it sees the row."""
    if head.member_weights is not None:
        losses = losses * head.member_weights
    return losses.mean(dim=1)


def pair_differences(head: HeadSignals, labels: Comparisons, objective: Objective) -> Tensor:
    """(M, K) by how much the first side of each pair is better."""
    first, second = labels.pairs[:, 0], labels.pairs[:, 1]
    if head.vectors is not None:
        scales = None if head.scales is None else head.scales[labels.pair_group]
        product = skew_product(head.vectors[first], head.vectors[second], scales)
        return objective.beta * product[:, None]
    met = _met(head)
    difference = met[first] - met[second]
    if head.spread is not None:
        difference = difference / torch.sqrt(head.spread[first] + head.spread[second])[:, None]
    return objective.beta * difference


def skew_product(first: Tensor, second: Tensor, scales: Tensor | None = None) -> Tensor:
    """Sum over planes of scale * (a_0 b_1 - a_1 b_0): antisymmetric in the two sides.

    Args:
        first, second: (..., 2m) vectors.
        scales: (..., m) factors of the planes.
    """
    planes = first[..., 0::2] * second[..., 1::2] - first[..., 1::2] * second[..., 0::2]
    return (planes if scales is None else scales * planes).sum(dim=-1)


def outcome_losses(
    difference: Tensor, head: HeadSignals, labels: Comparisons, objective: Objective
) -> Tensor:
    """Negative log-likelihoods (3, M, K) of: first better, second better, tie.

    Links without ties read one as half a win for each side, so their third row is not read.
    """
    margin = labels.margin[:, None]
    up, down = difference - margin, -difference - margin
    if objective.link not in TIE_LINKS:
        win, lose = _link(up, objective), _link(down, objective)
        return torch.stack([win, lose, win])
    width = difference.new_tensor(objective.tie_width) if head.tie is None else head.tie
    link = _davidson if objective.link == "davidson" else _rao_kupper
    return link(difference, up, down, width)


def _link(difference: Tensor, objective: Objective) -> Tensor:
    if objective.link == "probit":
        probit: Tensor = -torch.special.log_ndtr(difference)
        return probit
    return functional.softplus(-difference)


def _davidson(difference: Tensor, up: Tensor, down: Tensor, width: Tensor) -> Tensor:
    """Davidson 1970: P(win) : P(lose) : P(tie) = e^(d/2) : e^(-d/2) : nu."""

    def total(d: Tensor) -> Tensor:
        sides = torch.stack([d / 2, -d / 2, torch.log(width).expand_as(d)])
        return torch.logsumexp(sides, dim=0)

    tie = total(difference) - torch.log(width)
    return torch.stack([total(up) - up / 2, total(down) - down / 2, tie])


def _rao_kupper(difference: Tensor, up: Tensor, down: Tensor, width: Tensor) -> Tensor:
    """Rao and Kupper 1967 with theta = e^width: a side wins by more than the width."""
    tie = functional.softplus(width - difference) + functional.softplus(width + difference)
    tie = tie - torch.log(torch.expm1(2 * width))
    return torch.stack([functional.softplus(width - up), functional.softplus(width - down), tie])


def _weighed(outcomes: Tensor, labels: Comparisons, objective: Objective) -> Tensor:
    """(3, M, K) to (G, K): by the label, then the mean over each prompt's pairs."""
    target = labels.target[:, None]
    win, lose, tie = outcomes
    value = target * win + (1 - target) * lose
    if objective.link in TIE_LINKS:
        value = torch.where((target - EVEN).abs() < _SAME, tie, value)
    gathered = labels.sum_over_pairs if objective.reduction == "sum" else labels.mean_over_pairs
    return torch.stack([gathered(column) for column in value.unbind(1)], dim=1)


def _centring(head: HeadSignals, labels: Comparisons, beta: float) -> Tensor:
    means = [labels.mean_over_completions(column) for column in _met(head).unbind(1)]
    return (2 * beta * torch.stack(means)).square().mean(dim=0)


def attribute_losses(head: HeadSignals, labels: Comparisons) -> Tensor:
    """(G,) mean squared error over each prompt's given ratings; 0 where none is given."""
    assert head.attributes is not None
    assert head.ratings is not None
    known = ~torch.isnan(head.ratings)
    errors = (head.attributes - torch.nan_to_num(head.ratings)).square() * known
    count = labels.mean_over_completions(known.sum(dim=1).to(errors.dtype))
    # Both are means over completions, so their ratio is the mean over the ratings given.
    return labels.mean_over_completions(errors.sum(dim=1)) / count.clamp(min=_SAME)


def _length_terms(head: HeadSignals, objective: Objective) -> Tensor:
    """ODIN (2402.07319): |rho(quality, length)| - rho(length part, length), and |W_q W_l|."""
    assert head.correlations is not None
    assert head.alignment is not None
    quality, length = head.correlations.unbind()
    terms = objective.length_weight * (quality.abs() - length)
    return terms + objective.orthogonality * head.alignment.abs()


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Correlation () of two (C,) vectors; 0 where one of them does not vary."""
    a, b = first - first.mean(), second - second.mean()
    scale = torch.sqrt((a.square().sum() * b.square().sum()).clamp(min=1e-12))
    return (a * b).sum() / scale
