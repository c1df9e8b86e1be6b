"""Which of many annotators are unusual: figures that differ from what they would be without a bias,
with the false discovery rate held over all annotators. Pure.
"""

import math
from collections.abc import Mapping
from typing import Any

from .bias import Z

RATE = 0.05
# The figures that have a value without a bias, by name: where they lie, and that value.
EXPECTED = {"side": (("side",), 0.5), "length": (("length", "above"), 0.0)}


def unusual(rows: Mapping[int, Mapping[str, Any]]) -> dict[int, list[str]]:
    """By annotator the names of the figures that stand out.

    Of those marked at most 5 % are expected to be chance (Benjamini & Hochberg 1995, over the
    annotators with enough labels, each figure for itself).

    Args:
        rows: cleaned rows of `figures.annotators_of`.
    """
    found: dict[int, list[str]] = {}
    for name, (path, expected) in EXPECTED.items():
        chances = {
            who: chance
            for who, row in rows.items()
            if (chance := _chance(_at(row, path), expected)) is not None
        }
        for who in _discovered(chances):
            found.setdefault(who, []).append(name)
    return found


def _at(row: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = row
    for name in path:
        found = (found or {}).get(name)
    return found or {}


def _chance(share: Mapping[str, Any], expected: float) -> float | None:
    """Two-sided p-value from the width of the interval; None where nothing can be told."""
    if not share.get("can_tell") or share["high"] is None or share["high"] <= share["low"]:
        return None
    error = (share["high"] - share["low"]) / (2 * Z)
    centre = (share["high"] + share["low"]) / 2
    return math.erfc(abs(centre - expected) / error / math.sqrt(2))


def _discovered(chances: Mapping[int, float]) -> list[int]:
    if not chances:
        return []
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.stats import false_discovery_control  # noqa: PLC0415

    adjusted = false_discovery_control(list(chances.values()))
    return [who for who, p in zip(chances, adjusted, strict=True) if p <= RATE]
