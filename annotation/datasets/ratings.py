"""Pairs made of scores, where a query asks for them: a difference of means is no comparison that
anybody made, so the least difference is chosen by whoever asks and stands in the manifest. Pure.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import pvariance
from typing import Any

from annotation.labels.models import AnnotatorKind

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
Row = dict[str, Any]
Label = Mapping[str, Any]


def deciding(labels: Sequence[Label]) -> list[Label]:
    """The labels that count: a review that stands decides; else people's, else the machines'."""
    reviews = [label for label in labels if label["purpose"] == "review"]
    people = [label for label in labels if label["kind"] not in MACHINES]
    return list(reviews or people or labels)


def means(labels: Sequence[Label], count: int) -> list[float | None]:
    """The mean score of each of `count` completions; None for one that nobody scored."""
    columns = [
        [label["scores"][place] for label in labels if len(label["scores"]) == count]
        for place in range(count)
    ]
    given = [[score for score in column if score is not None] for column in columns]
    return [sum(scores) / len(scores) if scores else None for scores in given]


def pairs(
    score: Sequence[float | None], gap: float, steps: int, band: Mapping[str, float] | None = None
) -> Iterator[Row]:
    """Pairs of completions whose means differ by `gap` or more, and that lie within the band.

    `band`: pairs that differ by more than `at_most` are too easy, those whose better completion
    scores below `least_score` teach nothing good, and an instance whose completions' means have a
    variance below `least_variance` tells none of them apart.

    Yields positions (first, second), `pair_p` 1 or 0, `score` of both, and `margin`: the
    difference as a share of the scale of so many steps.
    """
    limits = band or {}
    known = [each for each in score if each is not None]
    if len(known) < 2 or pvariance(known) < limits.get("least_variance", 0.0):
        return
    for first, second in combinations(range(len(score)), 2):
        one, other = score[first], score[second]
        if one is None or other is None or not _within(one, other, gap, limits):
            continue
        yield {
            "places": (first, second),
            "score": [one, other],
            "pair_p": float(one > other),
            "margin": abs(one - other) / steps,
        }


def _within(one: float, other: float, gap: float, limits: Mapping[str, float]) -> bool:
    difference = abs(one - other)
    return gap <= difference <= limits.get("at_most", math.inf) and max(one, other) >= limits.get(
        "least_score", -math.inf
    )
