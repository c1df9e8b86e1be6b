"""What HyPER and influence ask of a seed, and what can be learned from it at all."""

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats
from routing.predictor import proxy
from routing.strategies.problem import Seed

# Fewer are refused; fewer than `FEW` are fitted with a warning.
LEAST, FEW = 10, 50


def usable(seed: Seed) -> tuple[Seed, Floats]:
    """The part of a seed from which a router can be fitted, and its embedding differences.

    Instances without an embedding are left out: their row is NaN.

    Raises:
        InvalidInput: no embeddings, or fewer than 10 dual-labelled instances with one.
    """
    if seed.differences is None:
        raise InvalidInput("The router's proxies need embeddings: run an encoder first.")
    rows = np.flatnonzero(np.isfinite(seed.differences).all(axis=1))
    if len(rows) < LEAST:
        raise InvalidInput(
            f"The seed has {len(rows)} dual-labelled instances with embeddings; a router needs at "
            f"least {LEAST}: label {LEAST - len(rows)} more."
        )
    D = np.asarray(seed.differences[rows], dtype=np.float64)
    prompts = tuple(seed.prompts[i] for i in rows)
    kept = Seed(seed.problem.take(rows), prompts, seed.human[rows], seed.judge[rows], D)
    return kept, D


def halves(prompts: tuple[str, ...], salt: str) -> Bools:
    """(n,) which half of the prompts (ordered by salted hash) an instance belongs to."""
    distinct = sorted(set(prompts), key=lambda p: unit_interval(salt, "half", p))
    if len(distinct) < 4:
        raise InvalidInput(
            f"The seed has {len(distinct)} prompts; a router needs at least 4: 2 to train its "
            "proxies on and 2 to evaluate them."
        )
    first = set(distinct[: len(distinct) // 2])
    return np.array([p in first for p in prompts], dtype=bool)


def cross_accuracy(D: Floats, labels: Floats, human: Floats, half: Bools, ridge: float) -> Floats:
    """(mixes,) accuracy of the proxies of each mix, each half judged by the other's proxy."""
    hits = []
    for train in (half, ~half):
        W = proxy.fit_heads(D[train], labels[:, train], ridge=ridge)
        hits.append(proxy.head_hits(W, D[~train], human[~train]))
    pooled = np.hstack(hits)
    if not pooled.shape[1]:
        raise InvalidInput("People tie on every seed instance: there is nothing to learn from.")
    return np.asarray(pooled.mean(axis=1))


def notes_of(seed: Seed, target: Floats | None = None) -> tuple[str, ...]:
    """What to know of a seed before its router is believed; `target` (mixes,) as fitted."""
    decided = (seed.human != 0.5) & (seed.judge != 0.5)
    people, judge = np.sign(seed.human - 0.5)[decided], np.sign(seed.judge - 0.5)[decided]
    notes = []
    if len(seed) < FEW:
        notes.append(
            f"Only {len(seed)} dual-labelled instances: under {FEW} a router can hardly learn."
        )
    if decided.any() and (people == judge).all():
        notes.append(
            "The judge agrees with people on every decided seed instance: people add nothing here."
        )
    if decided.any() and (people != judge).all():
        notes.append(
            "The judge disagrees with people on every decided seed instance: its labels are worth "
            "replacing everywhere, and the seed cannot tell where more."
        )
    if len(people) and abs(people.sum()) == len(people):
        notes.append(
            "People prefer the same side on every decided seed instance: check the order in which "
            "completions are stored."
        )
    if target is not None and np.ptp(target) <= 1e-12:
        notes.append(
            "All candidate mixes train equally good proxies: every gain is 0 and chance decides."
        )
    return tuple(notes)
