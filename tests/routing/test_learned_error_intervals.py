"""Intervals of what learned error says of a feature."""

import numpy as np

from routing.features.table import FeatureTable
from routing.strategies.learned_error import fit
from routing.strategies.problem import Problem, Seed


def planted(n: int) -> Seed:
    """The judge is wrong half of the time on long prompts and hardly ever elsewhere."""
    rng = np.random.default_rng(7)
    kind = np.array(["long", "short"])[np.arange(n) % 2]
    other = np.array(["even", "odd"])[rng.integers(2, size=n)]
    human = rng.integers(2, size=n).astype(float)
    wrong = rng.uniform(size=n) < np.where(kind == "long", 0.5, 0.02)
    judge = np.where(wrong, 1 - human, human)
    keys = tuple(f"i{i}" for i in range(n))
    categories = {"domain": tuple(kind.tolist()), "safety": tuple(other.tolist())}
    table = FeatureTable((), np.empty((n, 0)), categories)
    problem = Problem(keys, table, np.ones(n), judge, None)
    return Seed(problem, keys, human, judge, None)


def rows_of(n: int) -> dict[str, tuple[float, float, float]]:
    found = {row.column: row for row in fit(planted(n)).explanation}
    return {
        name: (row.low, row.contrast, row.high)
        for name, row in found.items()
        if row.low is not None and row.high is not None
    }


def test_an_interval_leaves_0_out_where_the_judge_errs_and_holds_it_where_nothing_is() -> None:
    rows = rows_of(400)
    low, middle, high = rows["domain: long"]
    assert 0 < low < middle < high
    assert rows["safety: odd"][0] < 0 < rows["safety: odd"][2]


def test_more_instances_narrow_it() -> None:
    few, many = rows_of(100)["domain: long"], rows_of(1600)["domain: long"]
    assert many[2] - many[0] < 0.6 * (few[2] - few[0])
