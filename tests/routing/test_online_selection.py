"""Which candidates are shown: rules on values small enough to check by hand."""

import numpy as np
import pytest

from routing.online.selection import (
    best_worst,
    choose,
    distinct,
    diverse,
    informative,
    word_overlap,
)

REWARDS = np.array([0.1, 2.0, 0.2, -1.0])


def test_empty_and_repeated_answers_are_no_choice() -> None:
    assert distinct(["a", " ", "b", "a ", "c"]) == [0, 2, 4]
    assert choose("random", ["same", "same "], None, 2, salt="x") == []


def test_the_widest_gap_comes_first_then_the_next() -> None:
    assert best_worst(REWARDS, 2) == [1, 3]
    assert best_worst(REWARDS, 4) == [1, 3, 2, 0]


def test_the_informative_are_those_that_stand_closest() -> None:
    assert sorted(informative(REWARDS, 2)) == [0, 2]
    assert sorted(informative(REWARDS, 3)) == [0, 2, 3]


def test_a_copy_of_the_best_is_passed_over_for_something_else() -> None:
    rewards = np.array([1.0, 0.99, 0.5])
    similarity = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    unlike = diverse(rewards, similarity * 4, 2)
    assert unlike == [0, 2]
    assert diverse(rewards, np.zeros((3, 3)), 2) == [0, 1]


def test_words_in_common_are_counted_over_all_words() -> None:
    assert word_overlap(["a b", "b c", ""])[0].tolist() == pytest.approx([1.0, 1 / 3, 0.0])


def test_the_order_shown_says_nothing_of_worth_and_is_the_same_every_time() -> None:
    texts = [f"answer {k}" for k in range(4)]
    first = [
        choose("best-worst", texts, REWARDS.tolist(), 2, salt=f"prompt {n}")[0] for n in range(60)
    ]
    assert set(first) == {1, 3}
    assert 15 < first.count(1) < 45
    again = choose("best-worst", texts, REWARDS.tolist(), 2, salt="prompt 3")
    assert again[0] == first[3]
