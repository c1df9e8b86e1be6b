"""Proxy reward models: Bradley–Terry heads on frozen embeddings, all mixes solved together."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools, Floats, Ints

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
    # Embeddings come as float32; heads are coefficients.
    D, P = np.asarray(D, dtype=np.float64), np.asarray(P, dtype=np.float64)
    if len(D) < D.shape[1]:
        # A minimiser lies in the row space of D: solve there, in n instead of d dimensions.
        basis, rows = np.linalg.qr(D.T)
        return np.asarray(fit_heads(rows.T, P, weights, ridge, tolerance) @ basis.T)
    data = _Data(D, P, _weights(weights, len(D)), ridge)
    W = np.zeros((len(P), D.shape[1]))
    active = np.arange(len(P))
    margin = W @ D.T
    for _ in range(_NEWTON_STEPS):
        part = data.of(active)
        gradient, curvature = part.gradient(W[active], margin)
        left = np.abs(gradient).max(axis=1, initial=0.0) > tolerance * len(D)
        active, part = active[left], data.of(active[left])
        if not len(active):
            break
        step = _solve(part, curvature[left], gradient[left], data.inverse)
        W[active], margin = _moved(part, W[active], step, margin[left], gradient[left])
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


@dataclass(frozen=True, eq=False)
class _Data:
    """Differences D (n, d), labels P and weights omega (mixes, n) of the mixes being solved."""

    D: Floats
    P: Floats
    omega: Floats
    ridge: float

    @cached_property
    def inverse(self) -> Floats:
        """Of D'ωD/4 + ridge, which bounds every Hessian."""
        bound = (self.D * self.omega.max(axis=0)[:, None]).T @ self.D / 4
        return np.linalg.inv(bound + self.ridge * np.eye(self.D.shape[1]))

    def of(self, mixes: Ints) -> "_Data":
        omega = self.omega if len(self.omega) == 1 else self.omega[mixes]
        return _Data(self.D, self.P[mixes], omega, self.ridge)

    def gradient(self, W: Floats, margin: Floats) -> tuple[Floats, Floats]:
        """((mixes, d) gradients, (mixes, n) second derivatives) at heads W with these margins."""
        chance = _sigmoid(margin)
        gradient = ((chance - self.P) * self.omega) @ self.D + self.ridge * W
        return gradient, chance * (1 - chance) * self.omega

    def loss(self, W: Floats, margin: Floats) -> Floats:
        fit = (self.omega * (np.logaddexp(0, margin) - self.P * margin)).sum(axis=1)
        return np.asarray(fit + self.ridge / 2 * (W * W).sum(axis=1))


def _weights(weights: Floats | None, n: int) -> Floats:
    """(1, n) or (mixes, n)."""
    return np.ones((1, n)) if weights is None else np.atleast_2d(weights).astype(np.float64)


def _solve(data: _Data, curvature: Floats, b: Floats, inverse: Floats) -> Floats:
    """Preconditioned conjugate gradients for (D'·diag(curvature)·D + ridge)·x = b, per mix.

    A mix that is solved takes no part in the products any more.
    """
    x, residual = np.zeros_like(b), b.copy()
    z = residual @ inverse
    direction, rz = z.copy(), (residual * z).sum(axis=1)
    goal = 1e-8 * np.maximum(rz, 1e-300)
    active = np.flatnonzero(rz > 0)
    for _ in range(_CG_STEPS):
        if not len(active):
            break
        along = direction[active]
        image = ((along @ data.D.T) * curvature[active]) @ data.D + data.ridge * along
        alpha = rz[active] / (along * image).sum(axis=1)
        x[active] += alpha[:, None] * along
        residual[active] -= alpha[:, None] * image
        z = residual[active] @ inverse
        fresh = (residual[active] * z).sum(axis=1)
        direction[active] = z + (fresh / rz[active])[:, None] * along
        rz[active] = fresh
        active = active[fresh > goal[active]]
    return x


def _moved(
    data: _Data, W: Floats, step: Floats, margin: Floats, gradient: Floats
) -> tuple[Floats, Floats]:
    """(W, margins) after a step; it is halved until the loss of its mix does not rise.

    Where the slope at the end is under a quarter of the slope at the start, the loss has fallen
    and need not be computed, which costs more than the step itself.
    """
    change = step @ data.D.T
    moved, there = W - step, margin - change
    start = (gradient * step).sum(axis=1)
    pull = (_sigmoid(there) - data.P) * data.omega
    ahead = -(pull * change).sum(axis=1) - data.ridge * (moved * step).sum(axis=1)
    rows = np.flatnonzero(ahead > start / 4)
    part, size = data.of(rows), np.ones(len(rows))
    before = part.loss(W[rows], margin[rows])
    for _ in range(20):
        rises = part.loss(moved[rows], there[rows]) > before + 1e-12 * np.abs(before)
        if not rises.any():
            break
        size = np.where(rises, size / 2, size)
        moved[rows] = W[rows] - size[:, None] * step[rows]
        there[rows] = margin[rows] - size[:, None] * change[rows]
    return moved, there


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))
