"""Figures over very many labels in memory that does not grow: prompts in so many clusters. Pure.

Few prompts are a cluster each; of more, those that come late share one by their hash. Prompts are
independent, so clusters of several give the same intervals, a little wider.
"""

import math
import zlib
from collections.abc import Sequence

import numpy as np

from annotation.quality.agreement import Estimate, Matrix, alpha_of, percentiles
from annotation.quality.bias import Share, wilson

MOST = 2048
CODES = 3


class Clusters:
    """The number of a prompt's cluster."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, prompt: str) -> int:
        found = self._known.get(prompt)
        if found is None:
            if len(self._known) == MOST:
                return zlib.crc32(prompt.encode()) % MOST
            found = self._known[prompt] = len(self._known)
        return found

    def __len__(self) -> int:
        return len(self._known)


class Agreement:
    """Krippendorff's α of rankings as pair labels: first, second, tie."""

    def __init__(self) -> None:
        self._tables = [[0.0] * CODES**2 for _ in range(MOST)]
        self.units = 0

    def add(self, cluster: int, rankings: Sequence[Sequence[int]]) -> None:
        """The rankings of one instance."""
        if len(rankings) < 2:
            return
        size = len(rankings[0])
        for i in range(size):
            for j in range(i + 1, size):
                counts = [0] * CODES
                for ranks in rankings:
                    counts[2 if ranks[i] == ranks[j] else int(ranks[i] > ranks[j])] += 1
                self._unit(self._tables[cluster], counts, len(rankings) - 1)

    def _unit(self, table: list[float], counts: Sequence[int], others: int) -> None:
        self.units += 1
        for a, one in enumerate(counts):
            for b, other in enumerate(counts):
                table[a * CODES + b] += one * (other - (a == b)) / others

    def estimate(self) -> Estimate:
        """α with a 95 % interval that resamples the clusters."""
        tables = np.array(self._tables).reshape(MOST, CODES, CODES)
        tables = tables[tables.sum(axis=(1, 2)) > 0]

        def alpha(weights: Matrix) -> float:
            return alpha_of(np.tensordot(weights, tables, axes=1), "nominal")

        low, high = percentiles(len(tables), alpha, resamples=1000, level=0.95, seed=0)
        value = alpha(np.ones(len(tables))) if len(tables) else math.nan
        return Estimate(value, low, high, len(tables), self.units)


class Mean:
    """A mean of shares with Wilson's interval, as if of so many labels as the clusters' spread
    leaves: `annotation.quality.bias.clustered` without the list of values."""

    def __init__(self) -> None:
        self._sums = [0.0] * MOST
        self._counts = [0] * MOST

    def add(self, cluster: int, value: float) -> None:
        self._sums[cluster] += value
        self._counts[cluster] += 1

    def share(self) -> Share | None:
        counts, sums = np.array(self._counts, np.float64), np.array(self._sums)
        total = float(counts.sum())
        if not total:
            return None
        mean = float(sums.sum()) / total
        spread, alone = float(((sums - mean * counts) ** 2).sum()), total * mean * (1 - mean)
        effect = max(1.0, spread / alone) if alone > 1e-12 else total / float((counts > 0).sum())
        found = wilson(mean * total / effect, total / effect)
        return found and Share(mean, found.low, found.high, int(total))
