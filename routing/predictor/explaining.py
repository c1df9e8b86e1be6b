"""How sure an explanation is: the same figures from resampled mixes."""

from collections.abc import Callable

import numpy as np

from routing.features.table import Floats
from routing.predictor.performance import Model, Predictor, fit_model

# Draws of the bootstrap: what is slower to fit settles for fewer.
DRAWS = {"linear": 200, "quadratic": 100, "boosted": 40}


def over_mixes(
    predictor: Predictor,
    counts: Floats,
    target: Floats,
    read: Callable[[Model], Floats],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """(low, high), each (figures,): the 95 % percentile bootstrap of `read` over the mixes.

    It says how much the choice of mixes matters for this seed, not what another seed would say.
    The ridge stays the one of the fit.
    """
    model = predictor.model
    alpha = getattr(model, "alpha", None)
    found = []
    for _ in range(DRAWS[model.kind]):
        rows = rng.integers(0, len(counts), len(counts))
        found.append(read(fit_model(model.kind, counts[rows], target[rows], alpha)))
    low, high = np.percentile(np.stack(found), (2.5, 97.5), axis=0)
    return np.asarray(low), np.asarray(high)
