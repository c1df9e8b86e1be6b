"""The audit arm is random, never empty, and paid before anything else."""

import numpy as np
import pytest

from core.exceptions import BudgetExceeded, InvalidInput
from routing.strategies import audit

KEYS = [f"i{n}" for n in range(4000)]


def test_the_draw_has_its_share_and_depends_on_the_key_alone() -> None:
    mask = audit.draw(KEYS, "salt", 0.05)

    assert mask.mean() == pytest.approx(0.05, abs=0.012)
    assert audit.draw(KEYS[2000:], "salt", 0.05).tolist() == mask[2000:].tolist()
    assert audit.draw(KEYS, "other", 0.05).tolist() != mask.tolist()


def test_a_small_batch_is_audited_too() -> None:
    assert audit.draw(["a", "b"], "salt", 0.0001).sum() == 1


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_a_share_of_nothing_is_refused(share: float) -> None:
    with pytest.raises(InvalidInput, match="never 0"):
        audit.draw(KEYS, "salt", share)


def test_propensities_follow_the_choice() -> None:
    assert audit.propensities(np.array([True, False]), 0.1) == pytest.approx([1.0, 0.1])
    assert audit.propensities(np.array([0.5]), 0.1) == pytest.approx([0.55])


def test_reporting_is_split_by_prompt() -> None:
    prompts = [f"p{n % 400}" for n in range(4000)]

    mask = audit.reporting(prompts, "salt")

    assert mask.mean() == pytest.approx(0.5, abs=0.1)
    assert all(len({bool(m) for m in mask[n::400]}) == 1 for n in range(400))


def test_a_budget_below_the_arm_is_refused_with_the_minimum() -> None:
    mask, cost = np.array([True, True, False]), np.array([2.0, 3.0, 9.0])

    assert audit.reserve(mask, cost, 6.0) == 1.0
    with pytest.raises(BudgetExceeded, match="at least 5") as refused:
        audit.reserve(mask, cost, 4.0)
    assert refused.value.extra == {"minimum": 5.0}
