"""Estimates from labels of a live project are right with exploration and an audit arm beside."""

import numpy as np

from annotation.judges.report.ppi import weighted_mean
from routing.live.choosing import draw_arms, draw_wanted, propensities, wanted_share

SIZE, REPEATS = 400, 150


def test_routed_labels_with_both_arms_give_intervals_of_nominal_coverage() -> None:
    """What is wanted is what people think otherwise of: the labelled alone would mislead."""
    draw = np.random.default_rng(11)
    held, naive = 0, 0
    for repeat in range(REPEATS):
        salt, keys = f"salt {repeat}", [f"{repeat}-{i}" for i in range(SIZE)]
        doubt = draw.random(SIZE)
        y = (draw.random(SIZE) < 0.3 + 0.4 * doubt).astype(float)
        f = np.where(draw.random(SIZE) < 0.75, y, 1 - y)
        arms = draw_arms(keys, salt, audit_share=0.1, explore_share=0.15)
        pi = wanted_share(doubt, np.empty(0), 0.3)
        wanted = draw_wanted(keys, pi, salt)
        human = arms.drawn | wanted
        e = propensities(pi, audit_share=0.1, explore_share=0.15)
        found = weighted_mean(y, f, human, e, keys)
        truth = float((0.3 + 0.4 * doubt).mean())
        held += found.low <= truth <= found.high
        naive += abs(float(y[human].mean()) - truth) > 0.05
    assert 0.9 <= held / REPEATS <= 1
    assert naive / REPEATS > 0.5
