"""Selection is fair to the last bit: no order, no salt and no size bends it."""

from itertools import pairwise

import numpy as np

from routing.strategies.selection import choose


def instances(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Many ties, negative gains, some never to be bought, prices in whole cents."""
    gain = np.round(rng.normal(size=n), 1)
    gain[rng.random(n) < 0.1] = -np.inf
    return gain, rng.integers(1, 300, n) / 100, [f"i{i}" for i in range(n)]


def test_the_order_of_the_instances_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        gain, cost, keys = instances(200, rng)
        order = rng.permutation(200)
        budget = float(rng.uniform(0, cost.sum()))

        mask = choose(gain, cost, budget, keys=keys, salt="s")
        again = choose(gain[order], cost[order], budget, keys=[keys[i] for i in order], salt="s")

        assert (mask[order] == again).all()


def test_no_budget_is_ever_exceeded() -> None:
    """Sums in cents are exact, so that not even a rounding error can hide."""
    rng = np.random.default_rng(1)
    for _ in range(300):
        gain, cost, keys = instances(int(rng.integers(1, 80)), rng)
        cents = int(rng.integers(0, 5000))

        mask = choose(gain, cost, cents / 100, keys=keys, salt="s")

        assert np.rint(cost[mask] * 100).sum() <= cents
        assert not mask[gain == -np.inf].any()


def test_a_budget_that_fits_exactly_is_spent() -> None:
    """0.1 three times is more than 0.3 in binary; people would not say so."""
    mask = choose(np.ones(4), np.full(4, 0.1), 0.3, keys=list("abcd"), salt="s")

    assert mask.sum() == 3


def test_equals_are_drawn_as_often_wherever_they_stand() -> None:
    keys = [f"i{i}" for i in range(30)]
    gain = np.r_[2.0, np.ones(28), 0.5]
    drawn = np.mean(
        [choose(gain, np.ones(30), 8, keys=keys, salt=str(i)) for i in range(3000)], axis=0
    )

    assert drawn[0] == 1
    assert drawn[-1] == 0
    # 7 of 28 equals: χ² of 27 degrees of freedom, four standard deviations above its mean.
    spread = ((drawn[1:-1] - 0.25) ** 2).sum() * 3000 / (0.25 * 0.75)
    assert spread < 27 + 4 * np.sqrt(2 * 27)


def test_more_money_never_drops_what_less_bought() -> None:
    rng = np.random.default_rng(2)
    gain, cost, keys = instances(120, rng)

    masks = [choose(gain, cost, budget, keys=keys, salt="s") for budget in np.linspace(0, 200, 60)]

    assert all((less <= more).all() for less, more in pairwise(masks))
