"""A prompt is in one split, and the same prompts always split the same way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.datasets.splits import split_prompts
from core.exceptions import InvalidInput

PROMPTS = [f"prompt {n}" for n in range(100)]


def test_shares_are_met_exactly() -> None:
    splits = split_prompts(PROMPTS, salt="s", shares={"test": 0.2, "validation": 0.1})
    assert Counter(splits.values()) == {"train": 70, "test": 20, "validation": 10}


@given(st.permutations(PROMPTS), st.integers(1, 3))
def test_order_and_repetition_change_nothing(prompts: list[str], times: int) -> None:
    shares = {"test": 0.2}
    assert split_prompts(prompts * times, salt="s", shares=shares) == split_prompts(
        PROMPTS, salt="s", shares=shares
    )


def test_another_salt_draws_others() -> None:
    first = split_prompts(PROMPTS, salt="a", shares={"test": 0.2})
    assert first != split_prompts(PROMPTS, salt="b", shares={"test": 0.2})


def test_small_sets_keep_two_prompts_a_split_or_say_how_many_there_are() -> None:
    few = Counter(split_prompts(PROMPTS[:4], salt="s", shares={"test": 0.1}).values())
    assert few == {"train": 2, "test": 2}
    with pytest.raises(InvalidInput, match="There are 3 prompts"):
        split_prompts(PROMPTS[:3], salt="s", shares={"test": 0.1})


@pytest.mark.parametrize("shares", [{"test": 0}, {"test": 1.2}, {"a": 0.5, "b": 0.5}])
def test_impossible_shares_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        split_prompts(PROMPTS, salt="s", shares=shares)
