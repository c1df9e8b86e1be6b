"""What one more human label adds, as a polynomial of degree two in the instance's 0/1 columns."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routing.features.table import Floats, Ints


@dataclass(frozen=True, eq=False)
class Gains:
    """Gain of an instance with columns x: x·linear + x'·pairs·x, in accuracy per human label.

    `pairs` (columns, columns) is symmetric, None where the model is linear. Every predictor comes
    down to this at a given budget, so a million instances are scored by one matrix product.
    """

    linear: Floats
    pairs: Floats | None = None

    def of(self, X: Floats) -> Floats:
        """(n,) gains of instances with columns X (n, columns)."""
        gain = X @ self.linear
        if self.pairs is not None:
            gain = gain + ((X @ self.pairs) * X).sum(axis=1)
        return np.asarray(gain)

    def coefficients(self, mean: Floats, groups: Ints) -> Floats:
        """(columns,) what having a column is worth on average.

        `mean` (columns,) is how often each column fires; the columns of one group exclude each
        other, so only those of other groups meet it. The coefficients themselves if linear.
        """
        if self.pairs is None:
            return self.linear
        others = np.where(groups[:, None] == groups, 0.0, self.pairs)
        return np.asarray(self.linear + np.diag(self.pairs) + 2 * others @ mean)


def with_mean_bins(one_hot: npt.NDArray[np.uint8], groups: Ints) -> Floats:
    """(n, columns) floats; an instance without any column of a feature has each of them in part.

    So an unknown value counts as the mean bin of its feature.
    """
    X = one_hot.astype(np.float64)
    if not len(groups):
        return X
    starts, sizes = np.flatnonzero(np.diff(groups, prepend=-1)), np.bincount(groups)
    known = np.add.reduceat(one_hot, starts, axis=1)
    for group in np.flatnonzero(~known.all(axis=0)):
        columns = slice(starts[group], starts[group] + sizes[group])
        X[known[:, group] == 0, columns] = 1 / sizes[group]
    return X
