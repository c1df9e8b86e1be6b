"""Why an instance goes to people: the columns that weigh most, in words."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from routing.features.table import Floats

NOTHING = "nothing about it speaks for people"


def strongest(
    one_hot: npt.NDArray[np.uint8], contrast: Floats, columns: Sequence[str]
) -> list[str]:
    """For each of n instances the two columns with the largest positive contrast, joined."""
    weight = one_hot * contrast
    if weight.shape[1] < 2:
        weight = np.hstack([weight, np.zeros((len(weight), 2 - weight.shape[1]))])
    top = np.argsort(-weight, axis=1, kind="stable")[:, :2]
    positive = np.take_along_axis(weight, top, axis=1) > 0
    return [
        "; ".join(columns[c] for c, good in zip(pair, keep, strict=True) if good) or NOTHING
        for pair, keep in zip(top.tolist(), positive.tolist(), strict=True)
    ]
