"""What a judge says about itself, as features."""

import numpy as np

from routing.features.table import FeatureTable, Floats


def with_judge(
    table: FeatureTable,
    judge: Floats,
    flip: Floats | None = None,
    disagreement: Floats | None = None,
) -> FeatureTable:
    """`table` with `judge_confidence` = abs(2p − 1), and the signals that are given.

    judge (n,) is P(first preferred); flip (n,) 1 where swapping the order changed the verdict;
    disagreement (n,) 1 where another judge prefers the other completion; NaN where unknown.
    """
    signals = {
        "judge_confidence": np.abs(2 * judge - 1),
        "judge_flip": flip,
        "panel_disagreement": disagreement,
    }
    given = {name: values for name, values in signals.items() if values is not None}
    return FeatureTable(
        (*table.names, *given),
        np.column_stack([table.values, *given.values()]),
        table.categories,
    )
