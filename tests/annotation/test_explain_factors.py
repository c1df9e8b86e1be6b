"""Factors of a text: each counted by hand."""

import math

import pytest

from annotation.explaining.factors import FACTORS, KEYS, measure, prepare
from annotation.explaining.languages import language_of
from annotation.explaining.likeness import alike

PROMPT = "What is the best way to learn how to swim in the open sea?"


def factor(key: str, text: str, prompt: str = PROMPT) -> float:
    return FACTORS[key](prepare(text, prompt))


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("length", "abc", math.log(4)),
        ("sentences", "One two three. Four five!", 2.5),
        ("variety", "a b a b", 0.5),
        ("headings", "# One\n\n## Two\nno # three", math.log(3)),
        ("lists", "- a\n* b\n1. c\n-d", math.log(4)),
        ("emphasis", "**a** and **b c**, not * this *", math.log(3)),
        ("code", "`x` and\n```py\ny\n```", math.log(4)),
        ("tables", "| a | b |\n|---|---|\n| 1 | 2 |", math.log(4)),
        ("links", "See https://a.org and [1], (Smith et al., 2020).", math.log(4)),
        ("numbers", "1 and 2,000 " + "word " * 46, 100 * 2 / 50),
        ("hedging", "Perhaps it may " + "work " * 47, 100 * 2 / 50),
        ("refusal", "I'm sorry, but I can't help with that.", 1),
        ("refusal", "You can't help everybody.", 0),
        ("apology", "My apologies.", 1),
        ("agreement", "Great question! You're right.", 1),
        ("agreement", "The right answer is a good one.", 0),
        ("echo", "the best way to learn", 1),
        ("echo", "a completely different set of words", 0),
        ("questions", "Why? How come?", math.log(3)),
        ("second person", "You and your " + "dog " * 47, 100 * 2 / 50),
        ("first person", "I and my " + "dog " * 47, 100 * 2 / 50),
        ("exclamation", "Yes!!", math.log(3)),
        ("foreign", "Am besten lernt man das Schwimmen mit einer Lehrerin, und das ist nicht", 1),
        ("foreign", "The best way is to take lessons with a coach", 0),
        ("foreign", "x = 1", 0),
    ],
)
def test_a_factor_is_what_its_formula_says(key: str, text: str, expected: float) -> None:
    assert factor(key, text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\0", "🎈" * 50, "ا" * 100, "a" * 300_000])
def test_every_text_has_finite_factors(text: str) -> None:
    found = measure(text, text)
    assert len(found) == len(KEYS)
    assert all(math.isfinite(value) for value in found)


def test_languages_are_told_only_where_there_is_enough() -> None:
    assert language_of("これは日本語の文章です。とても長いです。") == "ja"
    assert language_of("Это длинное предложение на русском языке.") == "ru"
    assert (
        language_of("Voici les réponses que vous avez demandées pour le projet, et pas une") == "fr"
    )
    assert language_of("ok") == ""


def test_texts_are_as_alike_as_the_words_and_pairs_they_share() -> None:
    # {a, b, ab} and {a, c, ac} share one of three.
    assert alike(["a b", "a c", "a b"]) == {
        (0, 1): pytest.approx(1 / 3),
        (0, 2): 1.0,
        (1, 2): pytest.approx(1 / 3),
    }
    assert alike(["", "?"]) == {(0, 1): 1.0}
