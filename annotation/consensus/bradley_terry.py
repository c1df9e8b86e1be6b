"""Strengths of contestants from comparisons: Bradley–Terry with ties, style and intervals. Pure.

P(i wins) : P(j wins) : P(tie) = e^(d/2) : e^(−d/2) : ν, d = s_i − s_j + β·x (Davidson 1970; without
ties ν = 0 and it is Bradley–Terry), x the difference in style. Comparisons of one prompt are not
independent: intervals are of the sandwich H⁻¹BH⁻¹ over prompts, or of a bootstrap that draws
prompts. A draw needs no comparison again, only how often each two ended how in each prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

MIDDLE, SCALE = 1000.0, 400.0
# Points of Elo in one unit of strength: 400 points are odds of ten to one.
POINTS = SCALE / log(10)
# As heavy as one tie more of a contestant with the average: else who always wins is infinite.
RIDGE = 0.25
STEPS, ENOUGH, LONGEST = 100, 1e-9, 3.0


@dataclass(frozen=True)
class Comparisons:
    """Who met whom and how it ended; all arrays (n,), codes from 0.

    `won`, `lost`, `tied`: how much of it went to the first, to the second and to neither; they add
    up to the weight of the row. `cluster`: the prompt. `style`: (n, features) differences in style
    of the first from the second, or none.
    """

    first: Codes
    second: Codes
    won: Vector
    lost: Vector
    tied: Vector
    cluster: Codes
    contestants: int
    style: Vector | None = None

    @property
    def clusters(self) -> int:
        return int(self.cluster.max(initial=-1)) + 1

    @property
    def covariates(self) -> Vector:
        return np.zeros((len(self.first), 0)) if self.style is None else self.style

    def halved(self) -> "Comparisons":
        """Ties as half a win for both."""
        half = self.tied / 2
        return self._with(self.won + half, self.lost + half, np.zeros_like(half))

    def _with(self, won: Vector, lost: Vector, tied: Vector) -> "Comparisons":
        return Comparisons(
            *(self.first, self.second, won, lost, tied),
            *(self.cluster, self.contestants, self.style),
        )


@dataclass(frozen=True)
class Strengths:
    """(contestants,) strengths about a mean of 0, (features,) what style is worth, and ν."""

    values: Vector
    style: Vector
    tie: float
    # (contestants, contestants) covariance of the strengths, over prompts.
    covariance: Vector

    @property
    def errors(self) -> Vector:
        found: Vector = np.sqrt(np.diag(self.covariance).clip(0))
        return found


def fit(given: Comparisons, *, ridge: float = RIDGE, robust: bool = True) -> Strengths:
    """The most likely strengths under a weak prior.

    Args:
        ridge: 1 / variance of each parameter beforehand.
        robust: the covariance is the sandwich over clusters; else that of the curvature alone.
    """
    n = given.contestants
    found, bend = _newton(given, ridge)
    inverse = np.asarray(np.linalg.inv(bend), dtype=np.float64)
    spread = inverse @ _meat(given, found) @ inverse if robust and given.clusters > 1 else inverse
    centre = np.eye(n) - 1 / n
    features = given.covariates.shape[1]
    return Strengths(
        values=centre @ found[:n],
        style=found[n : n + features],
        tie=float(np.exp(found[-1])) if given.tied.any() else 0.0,
        covariance=centre @ spread[:n, :n] @ centre,
    )


def bootstrap(
    given: Comparisons, *, resamples: int = 100, ridge: float = RIDGE, seed: int = 0
) -> Vector:
    """(resamples, contestants) strengths of draws of prompts; style is left out.

    The comparisons are counted once into a sparse matrix (prompts × how each two ended); a draw
    weighs its rows.
    """
    pairs, table = counted(given)
    n, prompts = given.contestants, table.shape[0]
    start, _ = _newton(_cells(pairs, table.sum(axis=0), n), ridge)
    chance = np.full(prompts, 1 / prompts)
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(resamples):
        weights = rng.multinomial(prompts, chance).astype(np.float64)
        drawn: Vector = table.T @ weights
        found, _ = _newton(_cells(pairs, drawn, n), ridge, start)
        draws.append(found[:n] - found[:n].mean())
    return np.array(draws)


def counted(given: Comparisons) -> tuple[Codes, Any]:
    """The pairs that met as first · contestants + second, first < second, and a CSR matrix
    (clusters × 3 pairs): won by the first, lost, tied."""
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.sparse import csr_array  # noqa: PLC0415

    n = given.contestants
    turned = given.first > given.second
    low, high = np.minimum(given.first, given.second), np.maximum(given.first, given.second)
    cell = low * n + high
    met = np.flatnonzero(np.bincount(cell, minlength=1))
    place = np.zeros(int(met.max(initial=-1)) + 1, dtype=np.int32)
    place[met] = np.arange(len(met))
    won = np.where(turned, given.lost, given.won)
    lost = np.where(turned, given.won, given.lost)
    column = 3 * place[cell]
    amounts = np.concatenate([won, lost, given.tied])
    row = np.tile(given.cluster.astype(np.int32), 3)
    table = csr_array(
        (amounts, (row, np.concatenate([column, column + 1, column + 2]))),
        (given.clusters, 3 * len(met)),
    )
    return met, table


def _cells(pairs: Codes, amounts: Vector, contestants: int) -> Comparisons:
    won, lost, tied = np.asarray(amounts, dtype=np.float64).reshape(-1, 3).T
    first, second = pairs // contestants, pairs % contestants
    return Comparisons(first, second, won, lost, tied, np.zeros_like(first), contestants)


def wins_of(given: Comparisons) -> Vector:
    """(contestants, contestants) how much of what they met the row won over the column."""
    n = given.contestants
    cell = given.first * n + given.second
    back = given.second * n + given.first
    half = given.tied / 2
    found = np.bincount(cell, given.won + half, n * n) + np.bincount(back, given.lost + half, n * n)
    return np.asarray(found.reshape(n, n), dtype=np.float64)


def _newton(given: Comparisons, ridge: float, start: Vector | None = None) -> tuple[Vector, Vector]:
    """Parameters (strengths, style, log ν where there are ties), and the curvature there."""
    n, features, ties = given.contestants, given.covariates.shape[1], bool(given.tied.any())
    found = np.zeros(n + features + ties)
    if start is not None:
        found = start[: len(found)].copy() if len(start) >= len(found) else found
    bend = np.eye(len(found))
    for _ in range(STEPS):
        slope, bend = _slope_and_bend(given, found)
        bend[range(len(found)), range(len(found))] += ridge
        # Strengths are told apart from their mean only: it stays where it is.
        bend[:n, :n] += np.trace(bend[:n, :n]) / n**2
        step = np.linalg.solve(bend, slope - ridge * found)
        found += np.clip(step, -LONGEST, LONGEST)
        if np.abs(step).max(initial=0.0) < ENOUGH:
            break
    return found, bend


def _chances(given: Comparisons, found: Vector) -> tuple[Vector, Vector]:
    """(n,) P(first wins) − P(second wins), and P(tie)."""
    n, x = given.contestants, given.covariates
    half = (found[given.first] - found[given.second]) / 2
    if x.shape[1]:
        half = half + x @ found[n : n + x.shape[1]] / 2
    if not given.tied.any():
        return np.tanh(half), np.zeros_like(half)
    top = np.maximum(np.abs(half), found[-1])
    up, down, even = np.exp(half - top), np.exp(-half - top), np.exp(found[-1] - top)
    whole = up + down + even
    return (up - down) / whole, even / whole


def _slope_and_bend(given: Comparisons, found: Vector) -> tuple[Vector, Vector]:
    """Gradient of the log likelihood and minus its Hessian."""
    n, x = given.contestants, given.covariates
    features = x.shape[1]
    lead, even = _chances(given, found)
    weight = given.won + given.lost + given.tied
    g = (given.won - given.lost - weight * lead) / 2
    h = weight * (1 - even - lead**2) / 4
    bend = np.zeros((len(found), len(found)))
    bend[:n, :n] = _laplacian(given, h)
    slope = np.zeros(len(found))
    slope[:n] = _to_contestants(given, g)
    for f in range(features):
        bend[:n, n + f] = bend[n + f, :n] = _to_contestants(given, h * x[:, f])
    slope[n : n + features] = x.T @ g
    bend[n : n + features, n : n + features] = x.T @ (h[:, None] * x)
    if given.tied.any():
        slope[-1] = (given.tied - weight * even).sum()
        mixed = -weight * even * lead / 2
        bend[:n, -1] = bend[-1, :n] = _to_contestants(given, mixed)
        bend[n : n + features, -1] = bend[-1, n : n + features] = x.T @ mixed
        bend[-1, -1] = (weight * even * (1 - even)).sum()
    return slope, bend


def _to_contestants(given: Comparisons, values: Vector) -> Vector:
    n = given.contestants
    found = np.bincount(given.first, values, n) - np.bincount(given.second, values, n)
    return np.asarray(found, dtype=np.float64)


def _laplacian(given: Comparisons, h: Vector) -> Vector:
    n = given.contestants
    off = np.bincount(given.first * n + given.second, h, n * n).reshape(n, n)
    off = off + off.T
    found: Vector = np.diag(off.sum(axis=1)) - off
    return found


def _meat(given: Comparisons, found: Vector) -> Vector:
    """Σ over clusters of the outer product of their score: B of the sandwich."""
    from scipy.sparse import csr_array  # noqa: PLC0415

    n, x = given.contestants, given.covariates
    lead, even = _chances(given, found)
    weight = given.won + given.lost + given.tied
    g = (given.won - given.lost - weight * lead) / 2
    columns = [given.first, given.second]
    values = [g, -g]
    for f in range(x.shape[1]):
        columns.append(np.full(len(g), n + f))
        values.append(g * x[:, f])
    if given.tied.any():
        columns.append(np.full(len(g), len(found) - 1))
        values.append(given.tied - weight * even)
    rows = np.tile(given.cluster, len(columns))
    shape = (given.clusters, len(found))
    scores = csr_array((np.concatenate(values), (rows, np.concatenate(columns))), shape)
    meat: Vector = np.asarray((scores.T @ scores).toarray(), dtype=np.float64)
    return meat * given.clusters / (given.clusters - 1)


def groups_of(given: Comparisons) -> list[list[int]]:
    """Contestants that comparisons connect; strengths of different groups cannot be compared."""
    from scipy.sparse import csr_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n = given.contestants
    ones = np.ones(len(given.first))
    graph = csr_array((ones, (given.first, given.second)), (n, n))
    count, codes = connected_components(graph, directed=False)
    return [np.flatnonzero(codes == k).tolist() for k in range(count)]


def ranks(draws: Vector) -> tuple[Sequence[int], Sequence[int]]:
    """The 95 % interval of each contestant's rank over (draws, contestants) strengths."""
    order = np.argsort(np.argsort(-draws, axis=1), axis=1) + 1
    low, high = np.quantile(order, [0.025, 0.975], axis=0, method="inverted_cdf")
    return low.astype(int).tolist(), high.astype(int).tolist()
