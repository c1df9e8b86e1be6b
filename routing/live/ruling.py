"""Rules that people wrote, laid over what a strategy says.

They are laid over after the arms are drawn: audit and exploration reach what rules decide as they
reach the rest, so that e = ε + (1 − ε)·x where a rule keeps an instance from people and 1 where it
sends it to them. A rule buys before the strategy does, as far as the money goes.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from routing.features.table import Bools
from routing.rules.matching import DROP, TO_PEOPLE, VERIFIER
from routing.strategies.problem import JUDGE, Scores

from .work import Row


def unruled(rows: Sequence[Row]) -> Bools:
    """(n,) those about which the strategy decides."""
    return np.array([row.rule is None for row in rows], dtype=bool)


def laid_over(scores: Scores, rows: Sequence[Row]) -> Scores:
    """The same with the word of the rules: gain +∞ is bought first, −∞ never."""
    if unruled(rows).all():
        return scores
    gain, chance, reason = scores.gain.copy(), scores.propensity.copy(), list(scores.reason)
    rest = np.full(len(rows), JUDGE, dtype="<U8")
    if scores.rest is not None:
        rest[:] = scores.rest
    for i, row in enumerate(rows):
        if row.rule is None:
            continue
        people = row.rule.to in TO_PEOPLE
        gain[i], chance[i] = (np.inf, 1.0) if people else (-np.inf, 0.0)
        reason[i] = row.rule.sentence
        rest[i] = row.rule.to if row.rule.to in {VERIFIER, DROP} else JUDGE
    return replace(scores, gain=gain, propensity=chance, reason=reason, rest=rest)
