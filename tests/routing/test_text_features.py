"""Text features say how long completions are and how alike."""

import pytest

from core.exceptions import InvalidInput
from routing.features.text import FEATURES, extract, tokens


def test_it_measures_a_pair() -> None:
    found = extract(
        "Which capital?", ["It lies in Paris since 1900.", "It lies in Rome, not in Paris"]
    )

    assert found["prompt_tokens"] == 2
    assert found["shorter_tokens"] == 6
    assert found["longer_tokens"] == 7
    assert found["token_difference"] == 1
    # Shared: it, lies, in, paris (the second "in" has no partner).
    assert found["rouge1_f"] == pytest.approx(2 * 4 / 13)
    # Paris and 1900 against Rome and Paris.
    assert found["entity_overlap"] == pytest.approx(1 / 3)
    assert tuple(found) == FEATURES


def test_it_adds_the_cosine_it_is_given() -> None:
    assert extract("a", ["b", "c"], cosine=0.5)["embedding_cosine"] == 0.5


def test_it_takes_the_extremes_and_the_mean_over_pairs_of_more_completions() -> None:
    found = extract("a", ["x", "x", "y z"])

    assert (found["shorter_tokens"], found["longer_tokens"]) == (1, 2)
    assert found["rouge1_f"] == pytest.approx(1 / 3)


def test_identical_and_empty_completions_are_fully_alike() -> None:
    for pair in (["Same Words", "Same Words"], ["", ""]):
        found = extract("", pair)
        assert found["rouge1_f"] == 1
        assert found["entity_overlap"] == 1
        assert found["token_difference"] == 0


def test_scripts_without_spaces_are_counted_by_character() -> None:
    assert extract("你好世界", ["好", "好的"])["prompt_tokens"] == 4


def test_a_single_completion_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least two"):
        extract("a", ["b"])


def test_plain_and_other_texts_are_counted_alike() -> None:
    plain, other = "Don't panic: 42 towels_now, MARVIN!", "Don't panic: 42 towels_now, MARVIN! …"
    assert not other.isascii()
    assert tokens(plain) == tokens(other) == ["don", "t", "panic", "42", "towels", "now", "marvin"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("In May 2021 it cost 1,299.50 in Berlin.", "on May: 2021, 1,299.50 (Berlin)"),
        ("H2O boils. Water does.\nSteam is H2O.", "2 and again H2O"),
        ("He met Anne-Marie O'Neil", "She saw O'Neil, Anne-Marie"),
    ],
)
def test_entities_are_numbers_and_capitalised_words_inside_sentences(text: str, same: str) -> None:
    assert extract("", [text, same])["entity_overlap"] == 1
    assert extract("", [text, "no such thing"])["entity_overlap"] == 0
