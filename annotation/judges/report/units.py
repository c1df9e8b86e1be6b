"""What a judge and people said about one pair of completions. Pure: no Django.

A side is 1 where the canonical first is better, −1 where the second is, 0 for a tie.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.instances.content import EVEN
from annotation.quality.agreement import FEW_PROMPTS
from annotation.quality.bias import Z

Floats = npt.NDArray[np.float64]
Values = Sequence[float] | npt.NDArray[Any]
# Instances kept behind a figure.
MOST_LISTED = 100


@dataclass(frozen=True)
class Reply:
    """One answer in one order. `first_shown`: the canonical first was shown first; None unknown."""

    side: int
    first_shown: bool | None = None


@dataclass(frozen=True)
class Unit:
    """One pair of completions of one instance that a judge decided, and what people said of it.

    `people`: each person's share for the canonical first (1, 0, ½ for a tie); empty where nobody
    labelled it. `p`: the judge's raw P(canonical first). `lengths` in characters; `styles` are
    headings, list items and bold spans per completion. `audit`: of the audit arm; `reporting`: its
    prompt is in the half that A-report is made of. `propensity`: P(a human label is obtained).
    """

    instance: int
    prompt: str
    p: float
    side: int
    people: tuple[float, ...] = ()
    places: tuple[int, int] = (0, 1)
    replies: tuple[Reply, ...] = ()
    flipped: bool | None = None
    gap: float | None = None
    at: datetime | None = None
    run: int | None = None
    guideline: int | None = None
    tags: tuple[str, ...] = ()
    audit: bool = False
    reporting: bool = False
    propensity: float | None = None
    lengths: tuple[int, int] = (0, 0)
    styles: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 0, 0), (0, 0, 0))
    families: tuple[str, str] = ("", "")

    @property
    def plurality(self) -> int | None:
        """What most people said; None without people or where two answers are equally common."""
        return plurality([side_of(share) for share in self.people])

    @property
    def confidence(self) -> float:
        """How sure the judge is of its own verdict, ½ to 1."""
        return max(self.p, 1 - self.p)


def side_of(p: float) -> int:
    """The side of a share for the canonical first."""
    return 0 if abs(p - 0.5) < EVEN else (1 if p > 0.5 else -1)


def plurality(sides: Sequence[int]) -> int | None:
    top = Counter(sides).most_common(2)
    if not top or (len(top) > 1 and top[0][1] == top[1][1]):
        return None
    return top[0][0]


@dataclass(frozen=True)
class Effect:
    """An estimate with its 95 % interval over prompts; `p`: two-sided, against `null`.

    NaN where nothing can be told.
    """

    value: float
    low: float
    high: float
    labels: int
    prompts: int
    p: float = float("nan")
    behind: tuple[int, ...] = field(default=(), repr=False)

    @property
    def few_prompts(self) -> bool:
        return self.prompts < FEW_PROMPTS


def normal(value: float, error: float, labels: int, prompts: int, null: float = 0.0) -> Effect:
    """An effect with the normal interval of its standard error."""
    if not math.isfinite(error):
        return Effect(value, math.nan, math.nan, labels, prompts)
    chance = math.erfc(abs(value - null) / error / math.sqrt(2)) if error > 0 else math.nan
    return Effect(value, value - Z * error, value + Z * error, labels, prompts, chance)


def mean(pairs: Iterable[tuple[str, float]], null: float = 0.0) -> Effect | None:
    """The mean of (prompt, value) with an error that is clustered by prompt; None without any."""
    rows = list(pairs)
    if not rows:
        return None
    prompts, values = zip(*rows, strict=True)
    value = float(np.mean(values))
    sums = by_prompt(prompts, np.array(values) - value)
    return normal(value, clustered_error(sums, len(rows)), len(rows), len(sums), null)


def share(pairs: Iterable[tuple[str, float]], null: float = 0.0) -> Effect | None:
    """The mean of (prompt, value within [0, 1]): its interval stays within [0, 1] too.

    Where all values are alike, they have no variance to tell an interval from: then it is Wilson's
    for as many draws as there are prompts.
    """
    found = mean(pairs, null)
    if found is None or math.isnan(found.low):
        return found
    low, high = max(0.0, found.low), min(1.0, found.high)
    if found.low == found.high:
        slack = Z**2 / (found.prompts + Z**2)
        low, high = found.value * (1 - slack), found.value + (1 - found.value) * slack
    return replace(found, low=low, high=high)


def by_prompt(prompts: Sequence[str], values: Floats) -> Floats:
    """(prompts,) or (prompts, k): the sum of the values of each prompt."""
    _, codes = np.unique(np.array(prompts, dtype=object).astype(str), return_inverse=True)
    sums = np.zeros((codes.max(initial=-1) + 1, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def clustered_error(sums: Floats, labels: int) -> float:
    """Standard error of a mean of `labels` values from the summed residuals of each prompt."""
    count = len(sums)
    if count < 2:
        return math.nan
    return float(math.sqrt((sums**2).sum() * count / (count - 1)) / labels)


def listed(instances: Iterable[int]) -> tuple[int, ...]:
    """Instances without repetition, as many as are kept behind a figure."""
    return tuple(dict.fromkeys(instances))[:MOST_LISTED]
