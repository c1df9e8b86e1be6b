"""Candidate mixes: which seed instances go to people, and what a mix is made of."""

import numpy as np
import numpy.typing as npt

from routing.features.table import Bools, Floats, Ints

Hot = npt.NDArray[np.uint8]
# Of a float32's 24 exact bits, for the count of one of two mixes.
_BITS = 12


def draw_mixes(one_hot: Hot, count: int, rng: np.random.Generator) -> Bools:
    """(count, n) masks, True where the instance goes to people (HyPER, "Candidate mixes").

    Each mix draws a budget uniformly from 1..n and walks the columns in random order, sending
    the instances of a column to people until the budget is full; the last column is filled at
    random, and instances without any column come last.
    """
    n = len(one_hot)
    rows, kind = patterns(one_hot)
    mask = np.zeros((count, n), dtype=bool)
    for row in mask:
        budget = int(rng.integers(1, n + 1))
        order = np.argsort(_turns(rows, rng)[kind] + rng.random(n), kind="stable")
        row[order[:budget]] = True
    return mask


def draw_at(
    rows: Bools, kind: Ints, cost: Floats, budget: float, rng: np.random.Generator
) -> Bools:
    """(n,) one mix that costs at most `budget`, drawn by the same walk; `rows` and `kind` are what
    `patterns` returns."""
    turn = _turns(rows, rng).astype(np.int64)[kind]
    spent = np.cumsum(np.bincount(turn, weights=cost, minlength=rows.shape[1] + 1))
    last = int(np.searchsorted(spent, budget, side="right"))
    mask: Bools = turn < last
    if last < len(spent):
        partly = rng.permutation(np.flatnonzero(turn == last))
        left = budget - (spent[last - 1] if last else 0.0)
        mask[partly[np.cumsum(cost[partly]) <= left]] = True
    return mask


def patterns(one_hot: Hot) -> tuple[Bools, Ints]:
    """((distinct, columns) the distinct rows, (n,) which of them each instance has)."""
    packed = np.ascontiguousarray(np.packbits(one_hot, axis=1))
    if not packed.shape[1]:
        return np.zeros((1, 0), dtype=bool), np.zeros(len(one_hot), dtype=np.int64)
    bits = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, kind = np.unique(bits, return_index=True, return_inverse=True)
    return one_hot[first].astype(bool), kind.astype(np.int64)


def feature_counts(mask: Bools, one_hot: Hot) -> Floats:
    """(mixes, columns): how many human-routed instances have each column.

    A matrix product in float32, two mixes in one number: it holds 24 bits exactly, and the counts
    of 4,095 instances take 12 each.
    """
    half = (len(mask) + 1) // 2
    others = len(mask) - half
    first, second = mask[:half].view(np.uint8), mask[half:].view(np.uint8)
    columns = one_hot.astype(np.float32)
    counts = np.zeros((len(mask), one_hot.shape[1]), dtype=np.int32)
    most = (1 << _BITS) - 1
    for start in range(0, len(one_hot), most):
        rows = slice(start, start + most)
        pair = np.zeros(first[:, rows].shape, dtype=np.uint16)
        np.left_shift(second[:, rows], _BITS, out=pair[:others], dtype=np.uint16)
        np.bitwise_or(pair, first[:, rows], out=pair)
        both = (pair.astype(np.float32) @ columns[rows]).astype(np.int32)
        counts[:half] += both & most
        counts[half:] += both[:others] >> _BITS
    return counts.astype(np.float64)


def _turns(rows: Bools, rng: np.random.Generator) -> Floats:
    """(distinct,) the place in a random walk of the first column that holds an instance."""
    columns = rows.shape[1]
    place = rng.permutation(columns).astype(np.float64)
    return np.asarray(np.where(rows, place, columns).min(axis=1, initial=columns))
