"""Intransitive triads: a beats b, b beats c, c beats a. Pure.

A scalar (a strength, a reward) cannot say this. Of the triads of answers drawn by chance one in
four is a cycle; where labels follow one order there are few.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
# Above this share of triads one order does not say what the labels say.
MANY = 0.1
FEWEST_TRIADS = 10
BY_CHANCE = 0.25


@dataclass(frozen=True)
class Triads:
    """How many three were all compared with a winner each time, and how many go round."""

    decided: int
    cyclic: int

    @property
    def share(self) -> float:
        return self.cyclic / self.decided if self.decided else 0.0

    @property
    def many(self) -> bool:
        return self.decided >= FEWEST_TRIADS and self.share > MANY


def count(wins: Vector) -> Triads:
    """From (n, n): how much of what they met the row won over the column.

    The winner of a pair is who won more; where both won as much there is none.
    """
    beats = (wins > wins.T).astype(np.float64)
    met = beats + beats.T
    decided = np.trace(met @ met @ met) / 6
    cyclic = np.trace(beats @ beats @ beats) / 3
    return Triads(round(float(decided)), round(float(cyclic)))


def cycles(wins: Vector) -> Iterator[tuple[int, int, int]]:
    """Every cyclic triad (a, b, c) once: a beats b, b beats c, c beats a; a is the smallest."""
    beats = wins > wins.T
    for a in range(len(wins)):
        for b in np.flatnonzero(beats[a]):
            # Whom b beats and who beats a.
            thirds = np.flatnonzero(beats[b] & beats[:, a])
            yield from ((a, int(b), int(c)) for c in thirds if a < min(b, c))


# Inside one prompt: share of the first over the second, summed over labels.
Edges = Mapping[tuple[Hashable, Hashable], float]


def within(edges: Edges) -> tuple[Triads, list[tuple[Hashable, Hashable, Hashable]]]:
    """The triads of one prompt, from net wins by (first, second), and its cycles."""
    beats: dict[Hashable, set[Hashable]] = defaultdict(set)
    for (first, second), net in edges.items():
        if net:
            beats[first if net > 0 else second].add(second if net > 0 else first)
    nodes = sorted({node for pair in edges for node in pair}, key=str)
    decided, found = 0, []
    for a, b, c in combinations(nodes, 3):
        if not all(_met(beats, x, y) for x, y in ((a, b), (b, c), (a, c))):
            continue
        decided += 1
        if b in beats[a] and c in beats[b] and a in beats[c]:
            found.append((a, b, c))
        elif a in beats[b] and c in beats[a] and b in beats[c]:
            found.append((a, c, b))
    return Triads(decided, len(found)), found


def _met(beats: Mapping[Hashable, set[Hashable]], a: Hashable, b: Hashable) -> bool:
    return b in beats[a] or a in beats[b]


def total(found: Iterable[Triads]) -> Triads:
    both = [(each.decided, each.cyclic) for each in found]
    return Triads(sum(d for d, _ in both), sum(c for _, c in both))
