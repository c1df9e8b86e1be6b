"""Proxy reward models: Bradley–Terry heads on frozen embeddings, all mixes solved together."""

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools, Floats

# On differences of unit-length embeddings and the summed loss.
RIDGE = 5.0
_NEWTON_STEPS = 50
_CG_STEPS = 60


def fit_heads(
    D: Floats,
    P: Floats,
    weights: Floats | None = None,
    ridge: float = RIDGE,
    tolerance: float = 1e-7,
) -> Floats:
    """(mixes, d) heads w minimising Σ_i ω_i[softplus(D_i·w) − p_i D_i·w] + ridge/2·‖w‖².

    D (n, d) is φ(x, first) − φ(x, second); P (mixes, n) the probability that the first is
    preferred, per mix; weights ω (n,) or (mixes, n), default 1. No intercept: swapping the
    completions must swap the preference. Newton's method with conjugate gradients, batched
    over mixes. The preconditioner D'ωD/4 + ridge bounds every Hessian and is shared, so one
    factorisation serves all mixes. `tolerance` bounds the largest gradient entry per instance.
    """
    _check(D, P, ridge)
    if len(D) < D.shape[1]:
        # A minimiser lies in the row space of D: solve there, in n instead of d dimensions.
        basis, rows = np.linalg.qr(D.T)
        return np.asarray(fit_heads(rows.T, P, weights, ridge, tolerance) @ basis.T)
    n, d = D.shape
    omega = np.ones((1, n)) if weights is None else np.atleast_2d(weights).astype(np.float64)
    bound = (D * omega.max(axis=0)[:, None]).T @ D / 4 + ridge * np.eye(d)
    inverse = np.linalg.inv(bound)
    W = np.zeros((len(P), d))
    for _ in range(_NEWTON_STEPS):
        probability = _sigmoid(W @ D.T)
        gradient = ((probability - P) * omega) @ D + ridge * W
        if np.abs(gradient).max(initial=0.0) <= tolerance * n:
            break
        curvature = probability * (1 - probability) * omega
        step = _solve(D, curvature, ridge, gradient, inverse)
        W = _backtrack(W, step, D, P, omega, ridge)
    return W


def accuracy(W: Floats, D_eval: Floats, P_eval: Floats) -> Floats:
    """(mixes,) share of instances where the head and P_eval (n,) prefer the same completion.

    Instances with P_eval = ½ have no right answer and are left out; a margin of exactly 0 is
    counted as half right.
    """
    hits = head_hits(W, D_eval, P_eval)
    if not hits.shape[1]:
        raise InvalidInput("No evaluation instance has a preferred completion.")
    return np.asarray(hits.mean(axis=1))


def head_hits(W: Floats, D_eval: Floats, P_eval: Floats) -> Floats:
    """(mixes, decided) 1 right, ½ undecided, 0 wrong, on the instances with P_eval ≠ ½."""
    decided: Bools = P_eval != 0.5
    side = np.sign(W @ D_eval[decided].T) * np.sign(P_eval[decided] - 0.5)
    return np.asarray((side + 1) / 2)


def _check(D: Floats, P: Floats, ridge: float) -> None:
    if P.ndim != 2 or P.shape[1] != len(D):
        raise InvalidInput(f"Labels of shape {P.shape} do not fit {len(D)} instances.")
    if not len(D):
        raise InvalidInput("A proxy needs at least one labelled instance.")
    if ridge <= 0:
        raise InvalidInput("The ridge must be above 0: without it one-sided labels diverge.")
    if not (np.isfinite(D).all() and np.isfinite(P).all()):
        raise InvalidInput("Embeddings and labels must be finite numbers.")


def _solve(D: Floats, curvature: Floats, ridge: float, b: Floats, inverse: Floats) -> Floats:
    """Preconditioned conjugate gradients for (D'·diag(curvature)·D + ridge)·x = b, per mix."""
    x = np.zeros_like(b)
    residual = b.copy()
    z = residual @ inverse
    direction = z.copy()
    rz = (residual * z).sum(axis=1)
    goal = 1e-8 * np.maximum(rz, 1e-300)
    for _ in range(_CG_STEPS):
        image = ((direction @ D.T) * curvature) @ D + ridge * direction
        # A mix that is already solved has a zero direction and must not divide by it.
        alpha = rz / np.maximum((direction * image).sum(axis=1), 1e-300)
        x += alpha[:, None] * direction
        residual -= alpha[:, None] * image
        z = residual @ inverse
        fresh = (residual * z).sum(axis=1)
        if np.all(fresh <= goal):
            break
        direction = z + (fresh / np.maximum(rz, 1e-300))[:, None] * direction
        rz = fresh
    return x


def _backtrack(  # noqa: PLR0917
    W: Floats, step: Floats, D: Floats, P: Floats, omega: Floats, ridge: float
) -> Floats:
    """W − size·step, the step halved per mix until the loss of that mix does not rise."""
    margin, change = W @ D.T, step @ D.T

    def loss(size: Floats) -> Floats:
        s = margin - size[:, None] * change
        w = W - size[:, None] * step
        data = (omega * (np.logaddexp(0, s) - P * s)).sum(axis=1)
        return np.asarray(data + ridge / 2 * (w * w).sum(axis=1))

    size = np.ones(len(W))
    before = loss(np.zeros(len(W)))
    for _ in range(20):
        rises = loss(size) > before + 1e-12 * np.abs(before)
        if not rises.any():
            break
        size = np.where(rises, size / 2, size)
    return np.asarray(W - size[:, None] * step)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))
