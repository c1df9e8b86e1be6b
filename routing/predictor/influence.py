"""Influence: what swapping one label does to the held-out loss of a convex head, without refitting.

First order in the swap: the head moves by one Newton step, and the loss along its gradient.
"""

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats
from routing.predictor import proxy

# The head must be at its minimum for the Newton step to be the whole move.
TOLERANCE = 1e-12


def direction(D: Floats, P: Floats, D_eval: Floats, P_eval: Floats, ridge: float) -> Floats:
    """(d,) v = H⁻¹·∇ℓ_eval, so that one swap at i changes ℓ_eval by −(D_i·v)·(p_old − p_new).

    The head is fitted on differences D (n, d) with labels P (n,), P(first preferred); H is the
    Hessian of its summed loss with the ridge, ∇ℓ_eval the gradient of the mean loss on the
    evaluation instances without the ridge. In float64: v is a coefficient.
    """
    if not len(D_eval):
        raise InvalidInput("Influence needs evaluation instances.")
    w = proxy.fit_heads(D, P[None], ridge=ridge, tolerance=TOLERANCE)[0]
    chance = _sigmoid(D @ w)
    hessian = (D * (chance * (1 - chance))[:, None]).T @ D + ridge * np.eye(D.shape[1])
    gradient = (_sigmoid(D_eval @ w) - P_eval) @ D_eval / len(D_eval)
    return np.asarray(np.linalg.solve(hessian, gradient))


def swap_effects(v: Floats, D: Floats, old: Floats, new: Floats) -> Floats:
    """(n,) Δℓ_eval of replacing label `old` by `new` (n,): −∇ℓ_evalᵀ H⁻¹ (∇ℓ_i^new − ∇ℓ_i^old).

    ∇ℓ_i^p = (σ(D_i·w) − p)·D_i, so the difference of the two is (old − new)·D_i.
    """
    return np.asarray(-(D @ v) * (old - new))


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))
