"""Candidate mixes walk the features; their contents are counted in one product."""

import numpy as np

from routing.predictor.mixes import draw_mixes, feature_counts


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
