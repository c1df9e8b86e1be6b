"""Candidate mixes walk the features; their contents are counted in one product."""

import numpy as np

from routing.predictor.mixes import draw_at, draw_mixes, feature_counts, patterns


def hot(n: int, rng: np.random.Generator) -> np.ndarray:
    return (rng.random((n, 7)) < 0.4).astype(np.uint8)


def test_counts_equal_brute_force() -> None:
    rng = np.random.default_rng(0)
    one_hot = hot(60, rng)
    mask = draw_mixes(one_hot, 20, rng)

    counts = feature_counts(mask, one_hot)

    expected = [
        [sum(int(one_hot[i, c]) for i in range(60) if row[i]) for c in range(7)] for row in mask
    ]
    assert counts.tolist() == expected


def test_counts_of_more_instances_than_one_number_holds_are_exact() -> None:
    one_hot = hot(9_001, np.random.default_rng(0))
    mask = np.ones((2, 9_001), dtype=bool)
    mask[1, ::3] = False

    counts = feature_counts(mask, one_hot)

    assert counts[0].tolist() == one_hot.sum(axis=0).tolist()
    assert counts[1].tolist() == one_hot[mask[1]].sum(axis=0).tolist()
    assert feature_counts(mask, one_hot[:, :0]).shape == (2, 0)


def test_a_walk_fills_a_budget_of_money() -> None:
    rng = np.random.default_rng(4)
    one_hot = hot(80, rng)
    cost = rng.uniform(0.5, 2, 80)
    rows, kind = patterns(one_hot)

    assert (rows[kind] == one_hot).all()
    for budget in (0.0, 5.0, 30.0, 1e9):
        spent = [cost[draw_at(rows, kind, cost, budget, rng)].sum() for _ in range(20)]
        assert max(spent) <= budget
        # The next instance of the walk did not fit, or all are bought.
        assert min(spent) > min(budget, cost.sum()) - 2.001


def test_budgets_spread_over_one_to_all() -> None:
    rng = np.random.default_rng(1)
    sizes = draw_mixes(hot(30, rng), 400, rng).sum(axis=1)

    assert sizes.min() >= 1
    assert sizes.max() == 30
    assert abs(sizes.mean() - 15.5) < 2


def test_a_mix_takes_whole_features_until_its_budget_is_full() -> None:
    rng = np.random.default_rng(2)
    # Disjoint columns: of all features a mix touches, only one may be taken in part.
    one_hot = np.repeat(np.eye(5, dtype=np.uint8), 8, axis=0)

    for row in draw_mixes(one_hot, 100, rng):
        taken = one_hot[row].sum(axis=0)
        assert ((taken > 0) & (taken < 8)).sum() <= 1


def test_instances_without_a_feature_come_last() -> None:
    one_hot = np.zeros((10, 2), np.uint8)
    one_hot[:4, 0] = 1

    for row in draw_mixes(one_hot, 50, np.random.default_rng(3)):
        assert row[:4].sum() == min(4, row.sum())
