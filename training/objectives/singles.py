"""Links over one score: what a wanted or an unwanted completion costs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.comparisons import Comparisons
from training.objectives.objective import Objective
from training.objectives.running import SIDES, Running
from training.objectives.signals import Signals, given


def single_losses(
    score: Tensor, signals: Signals, labels: Comparisons, objective: Objective, running: Running
) -> Tensor:
    """Mean over the labelled completions of each prompt, shape (G,)."""
    if objective.link == "win_rate":
        known = ~labels.win_rate.isnan()
        target = (labels.win_rate.nan_to_num() - 0.5) / objective.beta
        return labels.mean_over_known((score - target).square(), known)
    if objective.link == "kto":
        wanted, unwanted = _kto(score, _drift(signals, objective))
    elif objective.link == "shifted_logistic":
        _note_sides(score, labels, running)
        distance = score - running.shift()
        wanted, unwanted = functional.softplus(-distance), functional.softplus(distance)
    else:
        wanted, unwanted = torch.sigmoid(-score), torch.sigmoid(score)
    # Multiplying by a NaN that is dropped afterwards would still make its gradient one.
    share = labels.wanted.nan_to_num()
    value = objective.desirable_weight * share * wanted
    value = value + objective.undesirable_weight * (1 - share) * unwanted
    return labels.mean_over_known(value, ~labels.wanted.isnan())


def _kto(score: Tensor, drift: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(drift - score), torch.sigmoid(score - drift)


def _drift(signals: Signals, objective: Objective) -> Tensor:
    """beta times the estimated KL to the reference, at least 0, without a graph (2402.01306).

    It is the mean log-ratio of other prompts' completions in the micro-batch.

    Raises:
        ValueError: the scorer did not compute them.
    """
    if signals.mismatched is None:
        message = "this objective needs the signal mismatched"
        raise ValueError(message)
    other = signals.mismatched
    ratio = given(other, "logp") - given(other, "reference_logp")
    return objective.beta * ratio.detach().mean().clamp(min=0)


def _note_sides(score: Tensor, labels: Comparisons, running: Running) -> None:
    for name, side in zip(SIDES, (labels.wanted > 0.5, labels.wanted < 0.5), strict=True):
        running.note(name, score[side])
