"""Directions of preference: principal components of preferred minus rejected. Pure: NumPy.

Decomposed Reward Models (Luo et al. 2025) take the components of differences of embeddings; here
they are of differences of factors, so that a direction can be read. The sign of each is the one
that more labels agree with. How much an annotator goes with each is their weight.
"""

from collections import Counter
from typing import Any

import numpy as np

from annotation.judges.report.units import share

from .factors import KEYS
from .fitting import plain, usable, why_not
from .units import Table

Json = dict[str, Any]
COMPONENTS, LOADINGS, MOST_ANNOTATORS = 4, 6, 40


def components(table: Table) -> list[Json]:
    """The first four directions with what they are made of, what share of the spread they are, and
    the share of labels of each annotator that goes with them; none where there are too few."""
    active = usable(table)
    rows = np.abs(table.y - 0.5) > 1e-9
    if why_not(table) or len(active) < 2:
        return []
    signed = table.differences[:, active][rows] * np.sign(table.y[rows] - 0.5)[:, None]
    _, spread, directions = np.linalg.svd(signed, full_matrices=False)
    part = spread**2 / max(float((spread**2).sum()), 1e-12)
    found = []
    prompts = [str(code) for code in table.cluster[rows]]
    who = np.array(table.annotator, dtype=object)[rows]
    for at in range(min(COMPONENTS, len(directions))):
        along = signed @ directions[at]
        sign = 1.0 if (along > 0).mean() >= 0.5 else -1.0
        agrees = (sign * along > 0).astype(np.float64)
        order = np.argsort(-np.abs(directions[at]), kind="stable")[:LOADINGS]
        found.append(
            {
                "share": float(part[at]),
                "loadings": [
                    [KEYS[active[each]], float(sign * directions[at][each])] for each in order
                ],
                "agrees": _told(prompts, agrees),
                "annotators": _annotators(prompts, agrees, who),
            }
        )
    return found


def _annotators(prompts: list[str], agrees: Any, who: Any) -> list[Json]:
    counts = Counter(who)
    rows = []
    for name, labels in counts.most_common(MOST_ANNOTATORS):
        if labels < 20:
            break
        mine = who == name
        told = _told([p for p, chosen in zip(prompts, mine, strict=True) if chosen], agrees[mine])
        rows.append({"name": str(name), **(told or {})})
    return rows


def _told(prompts: list[str], values: Any) -> Json | None:
    found = share(zip(prompts, values.tolist(), strict=True), null=0.5)
    return plain(found) if found else None
