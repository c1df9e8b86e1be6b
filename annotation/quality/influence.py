"""What would change without one annotator: winners that flip, and Krippendorff's α. Pure.

Only the units that the annotator labelled are computed anew.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .agreement import Matrix, alpha_of, coincidences


@dataclass(frozen=True)
class Influence:
    """Of the pairs that others labelled too: how many winners flip or become even without them.

    `alone`: pairs that nobody else labelled; they would have no label at all. `alpha` is α without
    the annotator, minus α with them; NaN where one of the two is not defined.
    """

    pairs: int
    flipped: int
    evened: int
    alone: int
    alpha: float
    # The pairs whose winner flips.
    flips: tuple[Hashable, ...] = field(default=(), repr=False)


# P(first) of each annotator by pair: 1, 0, ½ for a tie, a judge's p.
Pairs = Mapping[Hashable, Mapping[int, float]]


def leave_one_out(pairs: Pairs) -> dict[int, Influence]:
    """The influence of every annotator on the majority and on nominal α."""
    tables = {key: coincidences(_codes(given), (0, 1, 2)) for key, given in _shared(pairs).items()}
    total: Matrix = sum(tables.values(), start=np.zeros((3, 3)))
    base = alpha_of(total, "nominal")
    mine: dict[int, list[Hashable]] = defaultdict(list)
    for key, given in pairs.items():
        for annotator in given:
            mine[annotator].append(key)
    return {
        annotator: _influence(annotator, keys, pairs, tables, total, base)
        for annotator, keys in sorted(mine.items())
    }


def _shared(pairs: Pairs) -> Pairs:
    return {key: given for key, given in pairs.items() if len(given) > 1}


def _codes(given: Mapping[int, float]) -> list[int]:
    return [_side(p) for p in given.values()]


def _side(p: float) -> int:
    return 2 if abs(p - 0.5) < 1e-9 else int(p < 0.5)


def _influence(  # noqa: PLR0917 - one table row, private
    annotator: int,
    keys: list[Hashable],
    pairs: Pairs,
    tables: Mapping[Hashable, Matrix],
    total: Matrix,
    base: float,
) -> Influence:
    flips: list[Hashable] = []
    evened = alone = 0
    table = total.copy()
    for key in keys:
        others = {who: p for who, p in pairs[key].items() if who != annotator}
        if not others:
            alone += 1
            continue
        table -= tables[key]
        if len(others) > 1:
            table += coincidences(_codes(others), (0, 1, 2))
        before, after = _winner(pairs[key]), _winner(others)
        if {before, after} == {0, 1}:
            flips.append(key)
        evened += after == 2 and before != 2
    # Subtraction leaves rounding behind where nothing is left.
    table[np.abs(table) < 1e-9] = 0.0
    change = alpha_of(table, "nominal") - base
    return Influence(len(keys) - alone, len(flips), evened, alone, change, tuple(flips))


def _winner(given: Mapping[int, float]) -> int:
    return _side(sum(given.values()) / len(given))
