"""Rows whose prompts name the rating to reach, so that a policy learns from all of them.

Reward-augmented data (2410.08067): for a goal g the reward of a completion rated r is -(g - r)^2,
so a pair becomes two rows, one for the rating of each side, and in the row of the worse side's
rating that side is the preferred one. Likelihood training on them is reward conditioning
(decision transformer, 2308.12050): each completion is the best one for its own rating.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from training.batching.rows import Message, Row
from training.errors import RefusalError


def for_each_rating(rows: Sequence[Row], attribute: str) -> list[Row]:
    """For training: each row once for every rating that one of its completions has.

    Rows without a rating of every completion, and those with own prompts, stay as they are.

    Raises:
        RefusalError: no row is rated by that attribute.
    """
    found = [new for row in rows for new in _each(row, attribute)]
    if rows and not any(_ratings(row, attribute) for row in rows):
        raise RefusalError(
            f"No row rates {attribute!r} for each of its completions.",
            "Set `condition_on` to an attribute that the training rows rate, or leave it out.",
        )
    return found


def for_the_best(rows: Sequence[Row], attribute: str) -> list[Row]:
    """For measuring: each row once, its prompt naming the best rating of all rows; labels stay."""
    ratings = [rating for row in rows for rating in _ratings(row, attribute)]
    if not ratings:
        return list(rows)
    goal = max(ratings)
    return [
        row if row.own_prompts else replace(row, prompt=_asked(row.prompt, attribute, goal))
        for row in rows
    ]


def _each(row: Row, attribute: str) -> Iterator[Row]:
    ratings = _ratings(row, attribute)
    if not ratings:
        yield row
        return
    for goal in sorted(set(ratings), reverse=True):
        relevance = tuple(-((goal - rating) ** 2) for rating in ratings)
        # The label's probability and margin were those of another question.
        preference = replace(row.preference, relevance=relevance, pair_p=None, margin=0.0)
        yield replace(row, prompt=_asked(row.prompt, attribute, goal), preference=preference)


def _ratings(row: Row, attribute: str) -> tuple[float, ...]:
    """The rating of each completion; empty where one is missing or prompts differ."""
    ratings = row.preference.attributes.get(attribute, ())
    missing = row.own_prompts or any(math.isnan(rating) for rating in ratings)
    return () if missing else ratings


def _asked(prompt: tuple[Message, ...], attribute: str, goal: float) -> tuple[Message, ...]:
    """The prompt with the goal at the end of its last message.

    Not every chat template takes a system message.
    """
    *before, last = prompt
    return (*before, {**last, "content": f"{last['content']}\n\n[{attribute}: {goal:g}]"})
