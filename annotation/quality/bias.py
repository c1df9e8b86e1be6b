"""What sways an annotator besides the completions: side, length, haste. Pure: numpy only.

Shares come with Wilson's interval for clusters, differences with a bootstrap over prompts. A
figure from fewer labels than `FEW` says "cannot tell yet".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

FEW = 20
Z = 1.959964


@dataclass(frozen=True)
class Choice:
    """One pair of completions that one annotator decided, tied, or judged with probability p.

    `p_left`: how much went to the completion shown first; None where the order is not known.
    `p_longer`: how much went to the longer one; None where both are as long.
    `expected_longer`: P(the longer is better) by the others' consensus; None without others.
    `ratio`: log(length of the longer / length of the shorter).
    """

    prompt: str
    p_left: float | None = None
    p_longer: float | None = None
    expected_longer: float | None = None
    ratio: float = 0.0
    tie: bool = False


@dataclass(frozen=True)
class Share:
    """A share (or difference, or coefficient) with its 95 % interval and what it stands on."""

    value: float
    low: float
    high: float
    labels: int

    @property
    def can_tell(self) -> bool:
        return self.labels >= FEW


@dataclass(frozen=True)
class Length:
    """P(chose the longer), by how much that is above the consensus of the others, and the
    coefficient of log length in a logistic regression with that consensus as its offset."""

    chose: Share
    above: Share | None
    coefficient: Share | None


@dataclass(frozen=True)
class Speed:
    """Seconds on an instance: the median, and the share under the project's least."""

    median: float | None
    hasty: Share | None
    labels: int


def wilson(hits: float, total: float) -> Share | None:
    """Wilson's interval of a share; hits may be fractional. None without any."""
    if total <= 0:
        return None
    p, square = hits / total, Z * Z
    centre = (p + square / (2 * total)) / (1 + square / total)
    half = Z * math.sqrt(p * (1 - p) / total + square / (4 * total**2)) / (1 + square / total)
    return Share(p, max(0.0, centre - half), min(1.0, centre + half), round(total))


def clustered(values: Sequence[tuple[str, float]]) -> Share | None:
    """Wilson's interval of a mean of shares that come in clusters, as the pairs of one list do.

    The labels count as so many independent ones as the spread between the clusters leaves
    (Kish's design effect); where all are the same, as many as there are clusters.

    Args:
        values: (prompt, share between 0 and 1) per label.
    """
    if not values:
        return None
    total = len(values)
    mean = sum(value for _, value in values) / total
    off: dict[str, float] = {}
    for prompt, value in values:
        off[prompt] = off.get(prompt, 0.0) + value - mean
    spread, alone = sum(each**2 for each in off.values()), total * mean * (1 - mean)
    effect = max(1.0, spread / alone) if alone > 1e-12 else total / len(off)
    found = wilson(mean * total / effect, total / effect)
    return found and replace(found, value=mean, labels=total)


def side_bias(choices: Sequence[Choice]) -> Share | None:
    """P(chose what was shown first); ties count for nothing. ½ is no bias."""
    known = [(c.prompt, c.p_left) for c in choices if c.p_left is not None and not c.tie]
    return clustered(known)


def tie_rate(choices: Sequence[Choice]) -> Share | None:
    return clustered([(choice.prompt, float(choice.tie)) for choice in choices])


def length_bias(choices: Sequence[Choice], *, seed: int = 0, resamples: int = 500) -> Length | None:
    """How much an annotator favours the longer completion; None where none is longer."""
    longer = [c for c in choices if c.p_longer is not None and not c.tie]
    chose = clustered([(c.prompt, c.p_longer or 0.0) for c in longer])
    if chose is None:
        return None
    compared = [c for c in longer if c.expected_longer is not None]
    return Length(chose, _above(compared, seed, resamples), _coefficient(compared))


def _above(choices: Sequence[Choice], seed: int, resamples: int) -> Share | None:
    """Mean of (chose the longer − the others expected it), resampling prompts."""
    sums: dict[str, list[float]] = {}
    for choice in choices:
        row = sums.setdefault(choice.prompt, [0.0, 0.0])
        row[0] += (choice.p_longer or 0.0) - (choice.expected_longer or 0.0)
        row[1] += 1
    if len(sums) < 2:
        return None
    table = np.array(list(sums.values()))
    count = len(table)
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    values = (draws @ table[:, 0]) / (draws @ table[:, 1])
    low, high = np.quantile(values, [0.025, 0.975])
    return Share(
        float(table[:, 0].sum() / table[:, 1].sum()), float(low), float(high), len(choices)
    )


def _coefficient(choices: Sequence[Choice], ridge: float = 0.1) -> Share | None:
    """log-odds of choosing the longer = logit(others) + β · log ratio; β by Newton, Wald interval.

    The ridge keeps β finite where somebody always chose the longer.
    """
    if not choices:
        return None
    y = np.array([c.p_longer or 0.0 for c in choices])
    x = np.array([c.ratio for c in choices])
    others = np.clip([c.expected_longer or 0.0 for c in choices], 0.05, 0.95)
    offset = np.log(others / (1 - others))
    beta, curvature = 0.0, ridge
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(offset + beta * x, -30, 30)))
        curvature = float((x * x * p * (1 - p)).sum()) + ridge
        step = (float((x * (y - p)).sum()) - ridge * beta) / curvature
        beta += max(-1.0, min(1.0, step))
        if abs(step) < 1e-8:
            break
    half = Z / math.sqrt(curvature)
    return Share(beta, beta - half, beta + half, len(choices))


def first_listed(ranks_in_order_shown: Sequence[Sequence[int]]) -> Share | None:
    """Lists: how often the completion shown first was ranked best; 1/K is no bias.

    Args:
        ranks_in_order_shown: per list, the ranks in the order of the screen; ties at the top share.
    """
    hits = [
        1 / list(ranks).count(1) if ranks[0] == 1 else 0.0
        for ranks in ranks_in_order_shown
        if len(ranks) > 2 and list(ranks).count(1) < len(ranks)
    ]
    return wilson(sum(hits), len(hits))


def speed(seconds: Sequence[float], least: float | None) -> Speed:
    """The median time, and the share of labels faster than `least` seconds."""
    hasty = None if least is None else wilson(sum(s < least for s in seconds), len(seconds))
    return Speed(median(seconds) if seconds else None, hasty, len(seconds))
