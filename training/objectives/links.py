"""Links over two scores: what a pair costs when its first side is the better one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from training.objectives.objective import Objective

# (better, worse, margin, objective) -> loss, all (M,); with d = better - worse - margin.
PairLink = Callable[[Tensor, Tensor, Tensor, Objective], Tensor]


def _logistic(better: Tensor, worse: Tensor, margin: Tensor, _: Objective) -> Tensor:
    return functional.softplus(-(better - worse - margin))


def _hinge(better: Tensor, worse: Tensor, margin: Tensor, o: Objective) -> Tensor:
    return functional.relu(o.threshold - (better - worse - margin))


def _squared(better: Tensor, worse: Tensor, margin: Tensor, o: Objective) -> Tensor:
    return (better - worse - margin - 1 / (2 * o.beta)).square()


def _exo(better: Tensor, worse: Tensor, margin: Tensor, o: Objective) -> Tensor:
    """KL of (sigma(d), sigma(-d)) to (1 - e, e)."""
    d = better - worse - margin
    first, second = functional.logsigmoid(d), functional.logsigmoid(-d)
    sure, moved = math.log1p(-o.exo_smoothing), math.log(o.exo_smoothing)
    return first.exp() * (first - sure) + second.exp() * (second - moved)


def _nca(better: Tensor, worse: Tensor, _: Tensor, __: Objective) -> Tensor:
    noise = functional.softplus(better) + functional.softplus(worse)
    return functional.softplus(-better) + noise / 2


def _bco_pair(better: Tensor, worse: Tensor, _: Tensor, __: Objective) -> Tensor:
    return functional.softplus(-better) + functional.softplus(worse)


def _apo_zero(better: Tensor, worse: Tensor, _: Tensor, __: Objective) -> Tensor:
    return torch.sigmoid(-better) + torch.sigmoid(worse)


def _apo_down(better: Tensor, worse: Tensor, _: Tensor, __: Objective) -> Tensor:
    return torch.sigmoid(better) + torch.sigmoid(worse - better)


def _sppo_hard(better: Tensor, worse: Tensor, _: Tensor, o: Objective) -> Tensor:
    target = 1 / (2 * o.beta)
    return (better - target).square() + (worse + target).square()


def _discopop(better: Tensor, worse: Tensor, margin: Tensor, o: Objective) -> Tensor:
    d = better - worse - margin
    blend = torch.sigmoid(d / o.temperature)
    return (1 - blend) * functional.softplus(-d) + blend * torch.exp(-d)


def _focal(better: Tensor, worse: Tensor, margin: Tensor, o: Objective) -> Tensor:
    """-p^gamma log p with p = sigma(d)."""
    log_p = functional.logsigmoid(better - worse - margin)
    return -torch.exp(o.focus * log_p) * log_p


def _mappo(better: Tensor, worse: Tensor, gap: Tensor, _: Objective) -> Tensor:
    return functional.softplus(-(better - gap * worse))


def _gap_squared(better: Tensor, worse: Tensor, gap: Tensor, _: Objective) -> Tensor:
    return (better - worse - gap).square()


def _gap_backward(better: Tensor, worse: Tensor, gap: Tensor, _: Objective) -> Tensor:
    return _bernoulli_kl(gap, better - worse)


def _gap_forward(better: Tensor, worse: Tensor, gap: Tensor, _: Objective) -> Tensor:
    return _bernoulli_kl(better - worse, gap)


def _bernoulli_kl(first: Tensor, second: Tensor) -> Tensor:
    """KL of sigma(first) to sigma(second), both as logits."""
    yes = torch.sigmoid(first) * (functional.logsigmoid(first) - functional.logsigmoid(second))
    no = torch.sigmoid(-first) * (functional.logsigmoid(-first) - functional.logsigmoid(-second))
    return yes + no


PAIRS: Mapping[str, PairLink] = {
    "logistic": _logistic,
    "hinge": _hinge,
    "squared": _squared,
    "exo": _exo,
    "nca": _nca,
    "bco_pair": _bco_pair,
    "apo_zero": _apo_zero,
    "apo_down": _apo_down,
    "sppo_hard": _sppo_hard,
    "discopop": _discopop,
    "focal": _focal,
    "mappo": _mappo,
    "gap_squared": _gap_squared,
    "gap_backward": _gap_backward,
    "gap_forward": _gap_forward,
}
