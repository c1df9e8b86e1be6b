"""Text features of instances like those that people compare, on one core."""

from __future__ import annotations

import random
import time

from routing.features.text import extract

INSTANCES = 4_000
# Tokens of a completion, and how often a text has a name, a number, an end of sentence, an accent.
SHORTEST, LONGEST = 100, 400
WORDS = 12_000


def cases() -> list[tuple[str, float, str]]:
    """(case, value, unit): instances of two completions a second of processor time."""
    instances = _instances(random.Random(0))
    start = time.process_time()
    for prompt, completions in instances:
        extract(prompt, completions)
    spent = time.process_time() - start
    return [("text_features_per_s", len(instances) / spent, "instances/s")]


def _instances(chance: random.Random) -> list[tuple[str, tuple[str, str]]]:
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(WORDS)]
    # Few words are frequent, most are rare, as in any text.
    weights = [1 / (rank + 3) for rank in range(WORDS)]
    return [
        (
            _text(chance, words, weights, chance.randint(10, 80)),
            (
                _text(chance, words, weights, chance.randint(SHORTEST, LONGEST)),
                _text(chance, words, weights, chance.randint(SHORTEST, LONGEST)),
            ),
        )
        for _ in range(INSTANCES)
    ]


def _text(chance: random.Random, words: list[str], weights: list[float], size: int) -> str:
    parts = chance.choices(words, weights, k=size)
    for place, word in enumerate(parts):
        draw = chance.random()
        if draw < 0.05:
            parts[place] = word.capitalize()
        elif draw < 0.07:
            parts[place] = str(chance.randint(1, 2_000))
        elif draw < 0.14:
            parts[place] = f"{word}."
    # One text in six is not plain ASCII.
    return " ".join(parts) + ("" if chance.random() < 5 / 6 else " – é")
