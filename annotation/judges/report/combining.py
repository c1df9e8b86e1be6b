"""People's choice from a judge's answers on several criteria. Pure: numpy only.

A compositional preference model (Go et al. 2024): P(first is chosen) = σ(w·v), v_k = 2 p_k − 1 what
the judge says of the pair on criterion k. The weights tell which criteria people's choices hang on.
Accuracy is measured on prompts that the weights have not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotation.judges.workbench.gains import RIDGE, weights_of
from annotation.quality.bias import Share, Z, clustered

from .units import Floats, by_prompt

FOLDS = 10
# Fewer prompts, or fewer of them for each criterion, tell nothing.
FEW_PROMPTS, FEW_EACH = 20, 5


@dataclass(frozen=True)
class Weight:
    """A criterion's coefficient with its 95 % interval over prompts: log-odds that the judge's
    certainty on it (p = 1 instead of ½) adds. `alone`: how often it names people's choice."""

    criterion: str
    value: float
    low: float
    high: float
    alone: Share | None


@dataclass(frozen=True)
class Combined:
    """All criteria together. `held_out`: how often they name people's choice on unseen prompts."""

    weights: tuple[Weight, ...]
    pairs: int
    prompts: int
    held_out: Share | None


def combine(
    criteria: Sequence[str], said: Floats, chosen: Floats, prompts: Sequence[str]
) -> Combined | None:
    """Fit and measure; None where there are fewer than two criteria or too few prompts.

    Args:
        said: (pairs, criteria) 2 p − 1 of the judge for the canonical first.
        chosen: (pairs,) +1 where people chose the first, −1 the second.
        prompts: (pairs,) of each pair.
    """
    number = len(set(prompts))
    if len(criteria) < 2 or number < max(FEW_PROMPTS, FEW_EACH * len(criteria)):
        return None
    weights = weights_of(said, chosen)
    error = _errors(said, chosen, prompts, weights)
    rows = [
        Weight(name, value, value - Z * spread, value + Z * spread, _right(column, chosen, prompts))
        for name, value, spread, column in zip(
            criteria, weights.tolist(), error.tolist(), said.T, strict=True
        )
    ]
    held = _right(_held_out(said, chosen, prompts), chosen, prompts)
    return Combined(tuple(rows), len(chosen), number, held)


def _errors(said: Floats, chosen: Floats, prompts: Sequence[str], weights: Floats) -> Floats:
    """(criteria,) of the sandwich over prompts."""
    signed = said * chosen[:, None]
    wrong = 1 / (1 + np.exp(signed @ weights))
    bend = (signed * (wrong * (1 - wrong))[:, None]).T @ signed + RIDGE * np.eye(len(weights))
    sums = by_prompt(prompts, signed * wrong[:, None])
    inverse = np.linalg.inv(bend)
    few = len(sums) / max(1, len(sums) - 1)
    found: Floats = np.sqrt(np.diag(inverse @ (sums.T @ sums * few) @ inverse).clip(0))
    return found


def _held_out(said: Floats, chosen: Floats, prompts: Sequence[str]) -> Floats:
    """(pairs,) w·v with weights of the other folds; a prompt lies in one fold."""
    names, codes = np.unique(np.array(prompts, dtype=object).astype(str), return_inverse=True)
    fold = (np.random.default_rng(0).permutation(len(names)) % FOLDS)[codes]
    found = np.zeros(len(chosen))
    for each in range(FOLDS):
        apart = fold == each
        if apart.any():
            found[apart] = said[apart] @ weights_of(said[~apart], chosen[~apart])
    return found


def _right(scores: Floats, chosen: Floats, prompts: Sequence[str]) -> Share | None:
    """How often the sign is people's choice; none counts one half."""
    shares = (1 + np.sign(scores) * chosen) / 2
    return clustered(list(zip(prompts, shares.tolist(), strict=True)))
