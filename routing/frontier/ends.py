"""What the lines of the picture are: what a strategy's choices are expected to lead to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from routing.features.table import Bools, Floats, Ints
from routing.strategies.hyper import HyperRouter
from routing.strategies.problem import Seed

from . import calibration
from .curve import Columns, Line, counts_along, expected_counts

# Of an interval of ± so many standard deviations 95 of 100 lie within.
SPREAD = 1.96
OURS, ALL_JUDGE, ALL_HUMAN, RANDOM = "ours", "all-judge", "all-human", "random"
UNCERTAINTY, ORACLE = "judge-uncertainty", "oracle"


@dataclass(frozen=True, eq=False)
class Pool:
    """The open instances: which of them are audited, and numbers of them to look at."""

    audited: Bools
    at: Ints

    def __len__(self) -> int:
        return len(self.audited)


def model_lines(
    router: HyperRouter, columns: Columns, pool: Pool, orders: Mapping[str, Ints]
) -> list[Line]:
    """Predicted accuracy of a reward model trained on a mix of the seed's size.

    Counts of the pool are brought to the size of the seed, because the predictor has seen no
    larger mix: a mix is told by its composition. `orders` maps a strategy to its buying order.
    """
    scale = router.dual_labelled / len(pool)
    lines = [
        _predicted(router, key, pool.at, scale * counts_along(columns, order, pool.at))
        for key, order in orders.items()
    ]
    drawn = scale * expected_counts(columns, pool.audited, pool.at)
    return [*lines, _predicted(router, RANDOM, pool.at, drawn)]


def _predicted(router: HyperRouter, key: str, at: Ints, counts: Floats) -> Line:
    value = router.predictor.predict(counts)
    if key != OURS:
        return Line(key, at.astype(np.float64), value)
    spread = SPREAD * router.predictor.held_out.rmse
    return Line(key, at.astype(np.float64), value, value - spread, value + spread)


def measured_oracle(seed: Seed, accuracy: Callable[[Floats], Floats], pool: Pool) -> Line | None:
    """Proxies trained on the seed, people's labels where the judge is wrong first.

    `accuracy` maps labels (mixes, n) to the accuracy of the proxies trained on them. The seed's
    shares are put where the same shares of the pool are.
    """
    wrong = np.sign(seed.human - 0.5) != np.sign(seed.judge - 0.5)
    order = np.argsort(~wrong, kind="stable")
    shares = np.linspace(0, 1, 11)
    mask = np.zeros((len(shares), len(seed)), dtype=bool)
    for row, share in zip(mask, shares, strict=True):
        row[order[: round(share * len(seed))]] = True
    value = accuracy(np.where(mask, seed.human, seed.judge))
    return Line(ORACLE, shares * len(pool), value)


@dataclass(frozen=True, eq=False)
class Known:
    """m dual-labelled instances: their `scores` (m,) by strategy, and whether the judge is `wrong`.

    `wrong` (m,) is 0 or 1.
    """

    scores: Mapping[str, Floats]
    wrong: Floats
    prompts: tuple[str, ...]


def label_lines(
    scores: Mapping[str, Floats], known: Known, pool: Pool, orders: Mapping[str, Ints]
) -> list[Line]:
    """Expected accuracy of the labels: 1 − Σ P(judge wrong) of what people do not label / n.

    `scores` are of the pool by strategy; people's labels count as right. All strategies share the
    first one's estimate of how often the judge is wrong.
    """
    rng = np.random.default_rng(0)
    lines: list[Line] = []
    base = 0.0
    at = pool.at.astype(np.float64)
    for key, order in orders.items():
        risk = calibration.fit(known.scores[key], known.wrong, known.prompts, scores[key], rng)
        errors, whole = _errors_left(risk, scores[key], order, pool)
        base = base if lines else whole
        # The same judge is wrong as often whatever orders the instances.
        errors *= base / whole if whole > 0 else 1.0
        low, high = np.percentile(1 - errors[1:], (2.5, 97.5), axis=0)
        ends = {} if lines else {"low": low, "high": high}
        lines.append(Line(key, at, 1 - errors[0], **ends))
    share = at / len(pool)
    return [
        *lines,
        Line(RANDOM, at, 1 - base * (1 - share)),
        Line(ORACLE, at, np.minimum(1.0, 1 - base + share)),
    ]


def _errors_left(
    risk: calibration.Risk, score: Floats, order: Ints, pool: Pool
) -> tuple[Floats, float]:
    """((draws, g) share of wrong labels after `at` instances went to people, and before any)."""
    one_hot = np.eye(risk.draws.shape[1], dtype=np.uint8)[risk.bins(score)]
    total = one_hot.sum(axis=0, dtype=np.int64)
    left = total - counts_along(one_hot, order, pool.at)
    return risk.draws @ left.T / len(pool), float(risk.draws[0] @ total) / len(pool)


def facts_of(router: Any) -> dict[str, Any]:
    """How well a predictor tells mixes apart, as plain values; empty for another kind of router."""
    if not isinstance(router, HyperRouter):
        return {}
    fit = router.predictor.held_out
    return {"spearman": fit.spearman, "r2": fit.r2, "rmse": fit.rmse, "seed": router.dual_labelled}
