"""Two or three completions of one to three tokens, and what is said of them in plain floats."""

from __future__ import annotations

import math
from typing import Any

import torch

from training.objectives.core import Comparisons, Signals, comparisons, total_loss
from training.objectives.objective import Objective
from training.objectives.preference import Preference
from training.objectives.running import Running

Rows = list[list[float]]

# Logits of a vocabulary of three tokens and the tokens drawn: completion a has two tokens,
# completion b has three, completion c one.
POLICY: dict[str, tuple[Rows, list[int]]] = {
    "a": ([[1.0, 0.0, -1.0], [0.5, 0.2, 0.1]], [0, 1]),
    "b": ([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0], [0.0, -1.0, 0.3]], [1, 0, 2]),
    "c": ([[-0.4, 1.2, 0.3]], [1]),
}
REFERENCE: dict[str, tuple[Rows, list[int]]] = {
    "a": ([[0.8, 0.1, -0.5], [0.1, 0.2, 0.3]], [0, 1]),
    "b": ([[0.2, 0.1, 0.4], [1.0, 0.3, 0.0], [0.0, 0.0, 0.0]], [1, 0, 2]),
    "c": ([[0.3, 0.6, -0.2]], [1]),
}
FIRST = Preference((1.0, 0.0))


def probabilities(row: list[float]) -> list[float]:
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def token_logps(completion: tuple[Rows, list[int]]) -> list[float]:
    """log-softmax of each drawn token."""
    rows, tokens = completion
    return [math.log(probabilities(row)[t]) for row, t in zip(rows, tokens, strict=True)]


def logp(completion: tuple[Rows, list[int]]) -> float:
    return sum(token_logps(completion))


def token_kls(name: str) -> list[float]:
    """KL(reference || policy) at each position."""
    found = []
    for row, other in zip(POLICY[name][0], REFERENCE[name][0], strict=True):
        p, q = probabilities(row), probabilities(other)
        found.append(sum(b * (math.log(b) - math.log(a)) for a, b in zip(p, q, strict=True)))
    return found


def alignment(name: str) -> float:
    """Mean over tokens of log p(token) - log of the sum of squared probabilities."""
    rows, _ = POLICY[name]
    collisions = [math.log(sum(p * p for p in probabilities(row))) for row in rows]
    values = [t - c for t, c in zip(token_logps(POLICY[name]), collisions, strict=True)]
    return sum(values) / len(values)


PA, PB, PC = (logp(POLICY[name]) for name in "abc")
RA, RB, RC = (logp(REFERENCE[name]) for name in "abc")
A, B, C = PA - RA, PB - RB, PC - RC
KL_A, KL_B = sum(token_kls("a")), sum(token_kls("b"))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def nls(x: float) -> float:
    """-log sigmoid(x)."""
    return -math.log(sigmoid(x))


def log_odds(mean: float) -> float:
    return math.log(math.exp(mean) / (1 - math.exp(mean)))


def bernoulli_kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def double(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def signals_of(names: str = "ab", *, same: bool = False) -> Signals:
    """Every signal there is; with `same` the policy is its own reference."""
    sizes = [len(POLICY[name][1]) for name in names]
    theirs = POLICY if same else REFERENCE
    return Signals(
        tokens=torch.tensor(sizes),
        logp=double([logp(POLICY[name]) for name in names]),
        reference_logp=double([logp(theirs[name]) for name in names]),
        token_logp=double([x for name in names for x in token_logps(POLICY[name])]),
        reference_token_logp=double([x for name in names for x in token_logps(theirs[name])]),
        token_kl=double([0.0 if same else x for name in names for x in token_kls(name)]),
        owner=torch.tensor([k for k, size in enumerate(sizes) for _ in range(size)]),
        group=torch.zeros(len(names), dtype=torch.long),
        alignment=double([alignment(name) for name in names]),
        mismatched=mismatched(0.0 if same else 1.5),
    )


def mismatched(*ratios: float) -> Signals:
    """Completions of other prompts with these log-ratios."""
    return Signals(
        tokens=torch.ones(len(ratios), dtype=torch.long),
        logp=double([r - 2.0 for r in ratios]),
        reference_logp=double([-2.0] * len(ratios)),
    )


def labels_of(objective: Objective, *preferences: Preference) -> Comparisons:
    return comparisons(preferences, objective, dtype=torch.float64)


def loss(
    signals: Signals, objective: Objective, *preferences: Preference, running: Any = None
) -> float:
    labels = labels_of(objective, *preferences)
    return float(total_loss(signals, labels, objective, running or Running()))
