"""What a model's numbers about one instance become: pure arithmetic.

`label_trust` is the self-confidence of confident learning (Northcutt et al. 2021, jair.1.12125):
the probability that a model gives to the label at hand. The label being a probability p itself, it
is p·σ(d) + (1 − p)·σ(−d) with d the difference of rewards. It says something only of labels that
the model was not trained on.
"""

import math
from collections.abc import Sequence
from itertools import combinations


def sigmoid(x: float) -> float:
    """1 / (1 + exp(−x)) without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def reward_margin(rewards: Sequence[float]) -> float:
    """The best reward less the second best, ≥ 0."""
    best, second = sorted(rewards, reverse=True)[:2]
    return best - second


def reward_variance(rewards: Sequence[float], variance: Sequence[float]) -> float:
    """The variance of the margin of the best two, whose errors count as independent."""
    order = sorted(range(len(rewards)), key=lambda place: -rewards[place])
    return variance[order[0]] + variance[order[1]]


def label_trust(rewards: Sequence[float], worth: Sequence[float]) -> float | None:
    """The mean over pairs that the label tells apart; of two completions p itself counts.

    Args:
        worth: by completion the share of the others it beats; of a pair (p, 1 − p).
    """
    if len(worth) != len(rewards):
        return None
    if len(rewards) == 2:
        p = worth[0]
        return p * sigmoid(rewards[0] - rewards[1]) + (1 - p) * sigmoid(rewards[1] - rewards[0])
    found = [
        sigmoid(rewards[i] - rewards[j])
        if worth[i] > worth[j]
        else sigmoid(rewards[j] - rewards[i])
        for i, j in combinations(range(len(rewards)), 2)
        if worth[i] != worth[j]
    ]
    return sum(found) / len(found) if found else None


def policy_entropy(logp: Sequence[float]) -> float:
    """−mean log π(y|x) over the completions at hand, in nats (Muldrew et al. 2024, 2402.08114).

    It estimates the predictive entropy of the prompt where they were sampled from this policy.
    """
    return -sum(logp) / len(logp)


def implicit_margin(logp: Sequence[float], reference: Sequence[float], beta: float) -> float:
    """β(ρ₀ − ρ₁), ρ = log π/π_ref: how far the policy prefers the first of two completions."""
    return beta * ((logp[0] - reference[0]) - (logp[1] - reference[1]))


def difficulty(reference: Sequence[float], worth: Sequence[float]) -> float | None:
    """log π_ref(worst) − log π_ref(best) by the label, in nats: high where the reference disagrees.

    None where the label tells nothing apart.
    """
    if len(worth) != len(reference):
        return None
    best, worst = (pick(range(len(worth)), key=worth.__getitem__) for pick in (max, min))
    return reference[worst] - reference[best] if worth[best] > worth[worst] else None
