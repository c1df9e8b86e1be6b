"""The score s of each completion."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.objective import UNSCALED_LINKS, Objective
from training.objectives.signals import Signals, given


def scores(signals: Signals, objective: Objective) -> Tensor:
    """Score s of each completion, shape (C,): beta times reward, log-ratio, log-probability …"""
    return _plain(signals, objective)


def sides(signals: Signals, objective: Objective) -> tuple[Tensor, Tensor]:
    """Scores as the better and as the worse side of a pair, each (C,).

    They differ only where an objective treats the sides differently.
    """
    plain = _plain(signals, objective, with_kl=objective.kl_sides != "rejected")
    if objective.kl_sides == "rejected":
        kl = objective.beta * objective.kl_weight * _sequential_kl(signals)
        return plain + kl.detach(), plain + kl
    if objective.positive_penalty:
        return plain - objective.positive_penalty * functional.relu(-plain), plain
    return plain, plain


def _plain(signals: Signals, objective: Objective, *, with_kl: bool = True) -> Tensor:
    if objective.score == "reward":
        return objective.beta * given(signals, "reward")
    value = _unscaled(signals, objective)
    if objective.kl_sides != "none" and with_kl:
        value = value + objective.kl_weight * _sequential_kl(signals)
    if objective.link not in UNSCALED_LINKS:
        value = objective.beta * value
    return value + objective.length_bonus * signals.tokens.to(value.dtype)


def _unscaled(signals: Signals, objective: Objective) -> Tensor:
    logp = _summed(signals, "logp", objective)
    if objective.score == "log_odds":
        return _log_odds(logp / signals.tokens)
    if objective.needs_reference:
        logp = _diverged(logp - _summed(signals, "reference_logp", objective), objective)
    if objective.score.endswith("_mean"):
        logp = logp / signals.tokens
    if objective.reward_alpha:
        return -torch.expm1(-objective.reward_alpha * logp) / objective.reward_alpha
    return logp


def _summed(signals: Signals, name: str, objective: Objective) -> Tensor:
    """Sums over tokens, those beyond what all completions of the prompt have weighted."""
    if objective.tail_weight == 1.0:
        return given(signals, name)
    values = given(signals, name.replace("logp", "token_logp")).double()
    owner, group = given(signals, "owner"), given(signals, "group")
    shortest = signals.tokens.new_full((int(group.max()) + 1,), torch.iinfo(torch.long).max)
    shortest = shortest.scatter_reduce(0, group, signals.tokens, "amin")
    first = signals.tokens.cumsum(0) - signals.tokens
    position = torch.arange(len(owner), device=owner.device) - first[owner]
    shared = position < shortest[group[owner]]
    weighted = torch.where(shared, values, objective.tail_weight * values)
    return values.new_zeros(signals.tokens.shape).index_add(0, owner, weighted)


def _sequential_kl(signals: Signals) -> Tensor:
    """Sum over a completion's positions of KL(reference || policy), (C,)."""
    kl = given(signals, "token_kl").double()
    return kl.new_zeros(signals.tokens.shape).index_add(0, given(signals, "owner"), kl)


def _diverged(ratio: Tensor, objective: Objective) -> Tensor:
    """f'(t) at t = exp(log-ratio), up to a constant, for the divergence f."""
    if objective.divergence == "forward_kl":
        return -torch.expm1(-ratio)
    if objective.divergence == "js":
        return math.log(2) + functional.logsigmoid(ratio)
    power = objective.divergence_alpha - 1
    if objective.divergence == "alpha" and abs(power) > 1e-6:
        return torch.expm1(power * ratio) / power
    return ratio


def _log_odds(mean_logp: Tensor) -> Tensor:
    """log(P / (1 - P)) for P = exp(mean token log-probability)."""
    tiny = torch.finfo(mean_logp.dtype).eps
    bounded = mean_logp.clamp(max=-tiny)
    return bounded - torch.log(-torch.expm1(bounded))
