"""Points of learning curves: the error in a group, by how many of its labels are people's."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import SEVERAL, Bools, Floats
from routing.predictor import proxy
from routing.strategies.curves import Curve, fit_curve
from routing.strategies.hyper_seed import halves
from routing.strategies.precision import embedded
from routing.strategies.problem import Seed

# All instances: the curve of what has none of its own.
REST = "other"
# A group with fewer seed instances in either half has no learning curve of its own.
FEWEST = 10
# Shares of a group's training instances that carry human labels; each is redrawn up to so often,
# less where there are many groups, so that the proxies stay few.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_REDRAWN, _PROXIES = 8, 300


@dataclass(frozen=True, eq=False)
class _Half:
    """Proxies trained on one half of the prompts, counted on the other.

    `right` (groups × shares, rows) is how often the redrawn proxies were right on each row, `at`
    how many human labels their group had.
    """

    right: Floats
    at: Floats
    member: Bools


def curves_of(
    seed: Seed, tag: str, *, salt: str = "learning", rng_seed: int = 0
) -> dict[str, Curve]:
    """A learning curve for each value of `tag` with enough seed instances, and for all ("other").

    The proxies of a group's points are trained on one half of the prompts, with human labels on a
    part of the group and the judge's everywhere else, and counted on the group's instances in the
    other half: what falls is what people's labels in that group are worth beyond the judge's.

    Raises:
        InvalidInput: no embeddings, no such tag, too few prompts, or people tie everywhere.
    """
    known = replace(seed, differences=embedded(seed.differences).astype(np.float64))
    decided = seed.human != 0.5
    if not decided.any():
        raise InvalidInput("People tie on every seed instance: there is nothing to learn from.")
    rng = np.random.default_rng(rng_seed)
    half = halves(seed.prompts, salt)
    enough = {
        name: mask
        for name, mask in groups_of(seed, tag).items()
        if name == REST or min((mask & decided & side).sum() for side in (half, ~half)) >= FEWEST
    }
    made = [_half(known, list(enough.values()), train, rng) for train in (half, ~half)]
    return {name: _curve(made, place, rng_seed) for place, name in enumerate(enough)}


def groups_of(seed: Seed, tag: str) -> Mapping[str, Bools]:
    """(n,) mask of each value of the tag, and of all under "other".

    Raises:
        InvalidInput: the table has no such tag.
    """
    given = seed.problem.features.categories.get(tag)
    if given is None:
        raise InvalidInput(f"Shares by {tag} need instances with that tag.")
    found = {REST: np.ones(len(seed), dtype=bool)}
    for value in sorted({value for each in given for value in each.split(SEVERAL) if value}):
        found[value] = np.array([value in each.split(SEVERAL) for each in given], dtype=bool)
    return found


def _half(seed: Seed, members: list[Bools], train: Bools, rng: np.random.Generator) -> _Half:
    D, test = embedded(seed.differences), ~train & (seed.human != 0.5)
    redrawn = min(_REDRAWN, max(1, _PROXIES // (len(_SHARES) * len(members))))
    masks, at = [], []
    for member in members:
        rows = np.flatnonzero(member[train])
        for share in _SHARES:
            count = round(share * len(rows))
            at.append(count)
            for _ in range(redrawn):
                human = np.zeros(int(train.sum()), dtype=bool)
                human[rng.permutation(rows)[:count]] = True
                masks.append(human)
    # None of a group and all of it can be drawn in one way only: such mixes are fitted once.
    mixes, place = np.unique(np.array(masks), axis=0, return_inverse=True)
    labels = np.where(mixes, seed.human[train], seed.judge[train])
    hits = proxy.head_hits(proxy.fit_heads(D[train], labels), D[test], seed.human[test])
    right = hits[place.ravel()].reshape(len(at), redrawn, -1).mean(axis=1)
    return _Half(right, np.array(at, dtype=np.float64), np.stack([m[test] for m in members]))


def _curve(made: list[_Half], place: int, rng_seed: int) -> Curve:
    """The curve through the points of one group, both halves pooled.

    A point's own uncertainty is what is left when each test instance is compared with itself at
    the other points: a hard instance is hard at all of them, and that is the curve's level.
    """
    at = slice(place * len(_SHARES), (place + 1) * len(_SHARES))
    wrong = 1 - np.hstack([half.right[at][:, half.member[place]] for half in made])
    labels = np.mean([half.at[at] for half in made], axis=0)
    root = np.sqrt(wrong.shape[1])
    beside = (wrong - wrong.mean(axis=0)).std(axis=1) / root
    level = float(wrong.mean(axis=0).std() / root)
    error = wrong.mean(axis=1)
    points = labels.tolist(), error.tolist(), beside.tolist()
    return fit_curve(*points, level=level, rng_seed=rng_seed)
