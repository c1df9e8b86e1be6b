from hypothesis import given
from hypothesis import strategies as st

from core.hashing import content_hash, unit_interval


def test_the_order_of_keys_does_not_matter() -> None:
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


@given(st.text(), st.text())
def test_the_unit_interval_is_salted_and_in_range(salt: str, key: str) -> None:
    value = unit_interval(salt, key)
    assert 0 <= value < 1
    assert value == unit_interval(salt, key)


def test_parts_are_kept_apart() -> None:
    assert unit_interval("ab", "c") != unit_interval("a", "bc")
