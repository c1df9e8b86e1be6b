"""The style of completions: their length and their markdown, as covariates of a leaderboard."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from django.db.models import F, Func, IntegerField, QuerySet, Value
from django.db.models.functions import Length

if TYPE_CHECKING:
    from annotation.instances.models import Completion

Floats = npt.NDArray[np.float64]

# Length, then what markdown adds to a text: headings, lists, bold words, each per length.
FEATURES = ("length", "headings", "lists", "bold")
# Counted by PostgreSQL: the texts stay where they are.
MARKDOWN = {
    "headings": r"^#{1,6} ",
    "lists": r"^ *([-*+]|[0-9]+[.)]) ",
    "bold": r"\*\*[^*\n]+\*\*",
}


def with_style(completions: "QuerySet[Completion]") -> "QuerySet[Completion]":
    """The rows with a number per feature: characters, then headings, list items, bold spans."""
    counts = {name: _number_of(pattern) for name, pattern in MARKDOWN.items()}
    return completions.annotate(length=Length("text"), **counts)


def _number_of(pattern: str) -> Func:
    return Func(
        F("text"),
        Value(pattern),
        Value(1),
        Value("n"),
        function="regexp_count",
        output_field=IntegerField(),
    )


def differences(first: Floats, second: Floats) -> Floats:
    """(n, 4) differences of the logarithm of length and of the density of markdown, each in its
    standard deviations.

    Args:
        first, second: (n, 4) the numbers of `with_style` of either side.
    """
    difference: Floats = _values(first) - _values(second)
    spread = difference.std(axis=0)
    return difference / np.where(spread > 0, spread, 1)


def _values(style: Floats) -> Floats:
    length = style[:, :1]
    return np.concatenate([np.log1p(length), style[:, 1:] / (length + 1)], axis=1)
