"""Leaving one data set out: what data can choose is chosen on the others, then reported on it.

What is chosen are two factors of the learned combination's priors: how wide they are, and how
strong the beliefs before any label. The kinds of evidence themselves cannot be chosen this way.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from core.exceptions import ApplicationError
from routing.lab.contestants import LEARNED, doubts, singles
from routing.lab.curves import UNCERTAINTY, replay
from routing.lab.dual import DualSet
from routing.lab.replay import Asked, Lead

SPREADS = (0.5, 1.0, 2.0)
BELIEFS = (0.0, 0.5, 1.0, 2.0)
USUAL = (1.0, 1.0)

Factors = tuple[float, float]
Bases = Mapping[str, Sequence[DualSet]]


@dataclass(frozen=True)
class LeftOut:
    """A base of the data set left out, with what the others chose; `usual` is without choosing."""

    source: str
    judge: str
    spread: float
    belief: float
    lead: Lead
    usual: Lead


def leave_one_out(
    bases: Bases, asked: Asked, progress: Callable[[str], None] | None = None
) -> list[LeftOut]:
    """Every base of every data set at the one budget asked, its factors chosen on the other sets.

    `bases` are the bases (one judge each) by the name of their data set. Those that cannot be
    replayed are left out; the best factors have the highest mean label accuracy on the others.
    """
    leads: dict[tuple[str, str, Factors], tuple[Lead, float]] = {}
    for name, duals in bases.items():
        for dual in duals:
            for factors in product(SPREADS, BELIEFS):
                if (found := _lead(dual, asked, factors)) is not None:
                    leads[name, dual.judge_name, factors] = found
            if progress:
                progress(f"{name}, {dual.judge_name}")
    judged = dict.fromkeys((name, judge) for name, judge, _ in leads)
    chosen = {name: _best(leads, name) for name in bases}
    return [
        LeftOut(
            name,
            judge,
            *chosen[name],
            leads[name, judge, chosen[name]][0],
            leads[name, judge, USUAL][0],
        )
        for name, judge in judged
    ]


def _best(leads: Mapping[tuple[str, str, Factors], tuple[Lead, float]], left: str) -> Factors:
    """Where several are as good, the usual one if it is among them."""
    found: dict[Factors, list[float]] = defaultdict(list)
    for (source, _, factors), (_, right) in leads.items():
        if source != left:
            found[factors].append(right)
    return max(found, key=lambda f: (float(np.mean(found[f])), f == USUAL), default=USUAL)


def _lead(dual: DualSet, asked: Asked, factors: Factors) -> tuple[Lead, float] | None:
    """The combination beside the best single signal, and its own label accuracy."""
    spread, belief = factors
    given = {LEARNED: {"spread": spread, "belief": belief}}
    rivals = [*singles(dual.features), *([UNCERTAINTY] if doubts(dual.features) else [])]
    wanted = replace(asked, arms=(LEARNED, *rivals), options=replace(asked.options, given=given))
    try:
        # Without embeddings no reward model is trained; the features hold what is read of them.
        found = replay(replace(dual, differences=None), wanted)
    except ApplicationError:
        return None
    mine = next((p.label_accuracy for p in found.points if p.key == LEARNED), None)
    return (found.leads[0], mine.value) if found.leads and mine else None
