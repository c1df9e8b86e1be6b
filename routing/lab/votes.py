"""People's votes on one instance, divided into those an arm can buy and those it never sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Votes:
    """Arrays over instances.

    `bought` is the mean of the votes that can be bought, `size` how many they are; `held_out`
    and `all_votes` are 1, 0 or NaN: the strict majority of the held-out votes, and of all votes.
    `single` marks instances with one vote, which leaves none to hold out.
    """

    bought: Floats
    size: Ints
    held_out: Floats
    all_votes: Floats
    single: Bools


def divide(votes: Sequence[Sequence[float]], keys: Sequence[str], salt: str) -> Votes:
    """Divide each instance's votes (1 first, 0 second, ½ tie) by a salted hash of key and place.

    Bought is the largest odd number ≤ max(1, n // 2); the rest is held out.
    """
    bought, sizes, held_out, all_votes = [], [], [], []
    for key, given in zip(keys, votes, strict=True):
        if not given:
            raise InvalidInput(f"Instance {key} has no human vote.")
        order = sorted(range(len(given)), key=lambda i: unit_interval(salt, "vote", key, i))
        half = max(1, len(given) // 2)
        size = half if half % 2 else half - 1
        bought.append(float(np.mean([given[i] for i in order[:size]])))
        sizes.append(size)
        held_out.append(strict_majority([given[i] for i in order[size:]]))
        all_votes.append(strict_majority(given))
    return Votes(
        bought=np.array(bought),
        size=np.array(sizes, dtype=np.int64),
        held_out=np.array(held_out),
        all_votes=np.array(all_votes),
        single=np.array([len(given) == 1 for given in votes], dtype=bool),
    )


def whole(votes: Sequence[Sequence[float]]) -> Votes:
    """The strict majority of all votes as one human label, at the price of one, and as the truth.

    People are then right by construction: what is measured is how well mistakes of the judge are
    found. Where there is no strict majority nothing is scored.
    """
    majority = np.array([strict_majority(given) for given in votes])
    return Votes(
        bought=np.where(np.isnan(majority), 0.5, majority),
        size=np.ones(len(votes), dtype=np.int64),
        held_out=majority,
        all_votes=majority,
        single=np.zeros(len(votes), dtype=bool),
    )


def strict_majority(votes: Sequence[float]) -> float:
    """1 or 0: the side with strictly more votes than the other side and than ties; else NaN."""
    first, second = sum(v > 0.5 for v in votes), sum(v < 0.5 for v in votes)
    ties = len(votes) - first - second
    if first > max(second, ties):
        return 1.0
    return 0.0 if second > max(first, ties) else float("nan")
