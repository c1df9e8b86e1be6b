"""Strengths of contestants from votes: Bradley–Terry with bootstrap intervals. Pure: no Django.

The intervals are a Bayesian bootstrap over battles (Rubin 1981): each outcome of each pair gets a
weight from a gamma distribution about its count, also one that was not seen yet. With many votes
that is the ordinary bootstrap; with one vote it does not claim to be sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.consensus.bradley_terry import MIDDLE, SCALE

FEW_BATTLES = 30
# What an outcome weighs before it was seen: together one vote per pair.
UNSEEN = 1 / 3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """How often a pair ended so: winner 1 is the first, 2 the second, 0 a tie of any kind."""

    first: int
    second: int
    winner: int
    count: int


@dataclass(frozen=True)
class Standing:
    """A contestant's rating on the scale of Elo (400 points are odds of ten to one, the mean is
    1000) with its 95 % interval over battles."""

    contestant: int
    rating: float
    low: float
    high: float
    battles: int
    wins: int
    ties: int

    @property
    def losses(self) -> int:
        return self.battles - self.wins - self.ties


def standings(tallies: Sequence[Tally], *, resamples: int = 300, seed: int = 0) -> list[Standing]:
    """Best first. A tie counts half a win for both.

    Every pair of contestants gets one tie more than was voted: without it the strength of one that
    has won everything, or was never compared with some group, would be infinite.
    """
    tallies = [tally for tally in tallies if tally.count > 0]
    if not tallies:
        return []
    names = sorted({name for tally in tallies for name in (tally.first, tally.second)})
    cells = _cells(tallies)
    counts = np.array([cell.count for cell in cells], dtype=np.float64)
    ratings = _ratings(cells, counts, names)
    draws = np.random.default_rng(seed).gamma(counts + UNSEEN, size=(resamples, len(cells)))
    drawn = np.array([_ratings(cells, draw, names) for draw in draws])
    lows, highs = np.quantile(drawn, [0.025, 0.975], axis=0)
    found = [
        _standing(name, tallies, float(ratings[k]), float(lows[k]), float(highs[k]))
        for k, name in enumerate(names)
    ]
    return sorted(found, key=lambda each: -each.rating)


def _cells(tallies: Sequence[Tally]) -> list[Tally]:
    """Every outcome of every pair that was compared, those that never came with a count of 0."""
    seen = {(tally.first, tally.second, tally.winner): tally.count for tally in tallies}
    pairs = sorted({(tally.first, tally.second) for tally in tallies})
    return [Tally(a, b, w, seen.get((a, b, w), 0)) for a, b in pairs for w in (0, 1, 2)]


def _standing(
    name: int, tallies: Sequence[Tally], rating: float, low: float, high: float
) -> Standing:
    mine = [tally for tally in tallies if name in (tally.first, tally.second)]
    won = [t for t in mine if t.winner and (t.first, t.second)[t.winner - 1] == name]
    return Standing(
        contestant=name,
        rating=rating,
        low=low,
        high=high,
        battles=sum(tally.count for tally in mine),
        wins=sum(tally.count for tally in won),
        ties=sum(tally.count for tally in mine if not tally.winner),
    )


def _ratings(tallies: Sequence[Tally], counts: Floats, names: Sequence[int]) -> Floats:
    # Here, not above: pandas and SciPy would double the memory and the start of every web process.
    import evalica  # noqa: PLC0415

    pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    winners = (evalica.Winner.Draw, evalica.Winner.X, evalica.Winner.Y)
    result = evalica.bradley_terry(
        [*(tally.first for tally in tallies), *(a for a, _ in pairs)],
        [*(tally.second for tally in tallies), *(b for _, b in pairs)],
        [*(winners[tally.winner] for tally in tallies), *(winners[0] for _ in pairs)],
        weights=[*counts.tolist(), *(1.0 for _ in pairs)],
    )
    logs = np.log10(np.array([result.scores[name] for name in names], dtype=np.float64))
    ratings: Floats = MIDDLE + SCALE * (logs - logs.mean())
    return ratings
