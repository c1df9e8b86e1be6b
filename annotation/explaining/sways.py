"""Length and position: what wins without being read. Pure: NumPy."""

from typing import Any

import numpy as np

from annotation.judges.report.units import share

from .fitting import FEWEST_DIFFER, LENGTH, plain, usable, why_not
from .regression import Floats, coefficients, fit, sigmoid
from .units import Table

Json = dict[str, Any]


def length_bias(table: Table, scale: Floats) -> Json | None:
    """How often the longer one wins, and what length is worth alone and beside all factors.

    `doubled`: P(a completion wins that is twice as long and alike in all else). None where
    completions are all as long.
    """
    column = table.differences[:, LENGTH]
    rows = (np.abs(column) > 1e-9) & (np.abs(table.y - 0.5) > 1e-9)
    won = 0.5 + np.sign(column[rows]) * np.sign(table.y[rows] - 0.5) / 2
    longer = share(zip(map(str, table.cluster[rows]), won.tolist(), strict=True), null=0.5)
    if longer is None:
        return None
    found: Json = {"longer": plain(longer), "alone": None, "controlled": None}
    if why_not(table):
        return found
    for name, active in (("alone", [LENGTH]), ("controlled", usable(table))):
        if LENGTH not in active:
            continue
        fitted = fit(table.differences[:, active], table.y, table.cluster)
        place = active.index(LENGTH)
        row = coefficients(["length"] * len(active), fitted, [False] * len(active))[place]
        bounds = np.array([row.value, row.low, row.high]) * np.log(2) / scale[LENGTH]
        found[name] = {
            "value": row.value,
            "low": row.low,
            "high": row.high,
            "doubled": sigmoid(bounds).tolist(),
        }
    return found


def position_bias(table: Table) -> Json | None:
    """How often the one shown first wins: ½ without a bias, as which is first is drawn by lot.

    None where the order is not known of enough labels. Of a list every pair counts, the earlier
    one as the first.
    """
    rows = (table.shown != 0) & (np.abs(table.y - 0.5) > 1e-9)
    if rows.sum() < FEWEST_DIFFER:
        return None
    won = 0.5 + table.shown[rows] * np.sign(table.y[rows] - 0.5) / 2
    told = share(zip(map(str, table.cluster[rows]), won.tolist(), strict=True), null=0.5)
    return (
        None
        if told is None
        else plain(told) | {"always_first": bool((table.shown[rows] > 0).all())}
    )
