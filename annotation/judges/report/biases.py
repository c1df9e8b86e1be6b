"""What sways a judge besides the quality of the completions, beside what sways people. Pure.

Every bias is a difference that would be 0 without it, with an effect size and a 95 % interval
clustered by prompt. Of all that are marked at most 5 % are expected to be chance (Benjamini &
Hochberg 1995, over all biases of one judge).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from annotation.quality.bias import Z

from .scopes import replies_of
from .units import Effect, Floats, Unit, by_prompt, listed, mean, share

FEWEST = 20
RATE = 0.05
RIDGE = 0.1
STYLES = ("headings", "lists", "bold")
POINTS, H, LOG_ODDS = "points", "Cohen's h", "log odds ratio"


@dataclass(frozen=True)
class Bias:
    """One bias. `effect` is in the unit of `scale`: points (a difference of shares), Cohen's h or
    a log odds ratio per standard deviation; `judge` and `people` are the figures it compares.

    `stands_out`: significant with the false discovery rate held.
    """

    key: str
    scale: str
    effect: Effect
    judge: float | None
    people: float | None
    name: str = ""
    stands_out: bool = False

    @property
    def can_tell(self) -> bool:
        return self.effect.labels >= FEWEST and math.isfinite(self.effect.low)


def biases(units: Sequence[Unit], family: str = "") -> list[Bias]:
    """All biases for which there is something to compare.

    Args:
        family: the judge's own; blank leaves out self-preference.
    """
    found = [
        position(units),
        base_rate(units),
        *lengths_and_styles(units),
        *families(units, family),
    ]
    return marked([each for each in found if each is not None])


def marked(found: Sequence[Bias]) -> list[Bias]:
    """With `stands_out` by Benjamini and Hochberg over those that can tell."""
    able = [place for place, bias in enumerate(found) if bias.can_tell and bias.effect.p >= 0]
    if not able:
        return list(found)
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.stats import false_discovery_control  # noqa: PLC0415

    adjusted = false_discovery_control([found[place].effect.p for place in able])
    chosen = {place for place, p in zip(able, adjusted, strict=True) if p <= RATE}
    return [replace(bias, stands_out=place in chosen) for place, bias in enumerate(found)]


def position(units: Sequence[Unit]) -> Bias | None:
    """How often the completion shown first wins; Cohen's h against one half.

    Each completion is shown first as often as second, so quality is no explanation.
    """
    shown = [
        (unit, float((reply.side == 1) == reply.first_shown))
        for unit, reply in replies_of(units)
        if reply.first_shown is not None and reply.side and len(unit.replies) > 1
    ]
    first = share([(unit.prompt, won) for unit, won in shown], null=0.5)
    if first is None:
        return None
    effect = replace(
        first,
        value=cohen_h(first.value),
        low=cohen_h(first.low),
        high=cohen_h(first.high),
        behind=listed(unit.instance for unit in units if unit.flipped),
    )
    return Bias("position", H, effect, first.value, None)


def cohen_h(won: float) -> float:
    """Cohen's h of a share against one half: 0.2 is small, 0.5 medium, 0.8 large."""
    if math.isnan(won):
        return won
    return 2 * math.asin(math.sqrt(min(1.0, max(0.0, won)))) - math.pi / 2


def flip_rate(units: Sequence[Unit]) -> Effect | None:
    """How often the two orders name different winners."""
    found = share((unit.prompt, float(unit.flipped)) for unit in units if unit.flipped is not None)
    flipped = listed(unit.instance for unit in units if unit.flipped)
    return found and replace(found, behind=flipped)


def base_rate(units: Sequence[Unit]) -> Bias | None:
    """P(names the canonical first) minus the same of people on the same pairs."""
    both = [unit for unit in units if unit.people]
    return _against_people(
        "first", both, lambda unit: (_share(unit.side), float(np.mean(unit.people)))
    )


def families(units: Sequence[Unit], family: str) -> list[Bias]:
    """How much more a judge favours each family of generators than people do on the same pairs.

    The judge's score minus the human score (as the DBG score of Chen et al. 2025), over pairs of
    which one side is of the family: so a family that is better gives no bias. The judge's own
    family first: that is self-preference.
    """
    named: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if unit.people and unit.families[0] != unit.families[1]:
            for each in set(unit.families) - {""}:
                named[each].append(unit)
    found = []
    for each in sorted(named, key=lambda name: (name != family, name)):
        own = _towards(each)
        bias = _against_people("self" if each == family else "family", named[each], own)
        if bias is not None:
            found.append(replace(bias, name=each))
    return found


def _towards(family: str) -> Callable[[Unit], tuple[float, float]]:
    def towards(unit: Unit) -> tuple[float, float]:
        judge, people = _share(unit.side), float(np.mean(unit.people))
        first = unit.families[0] == family
        return (judge, people) if first else (1 - judge, 1 - people)

    return towards


def _share(side: int) -> float:
    return (side + 1) / 2


def _against_people(
    key: str, units: Sequence[Unit], both: Callable[[Unit], tuple[float, float]]
) -> Bias | None:
    """The mean of the judge's share minus the people's."""
    if not units:
        return None
    given = [both(unit) for unit in units]
    effect = mean(
        (unit.prompt, judge - people) for unit, (judge, people) in zip(units, given, strict=True)
    )
    if effect is None:
        return None
    apart = [
        (abs(judge - people), unit.instance)
        for unit, (judge, people) in zip(units, given, strict=True)
        if judge - people
    ]
    behind = listed(instance for _, instance in sorted(apart, key=lambda row: -row[0]))
    judge, people = (float(np.mean(column)) for column in zip(*given, strict=True))
    return Bias(key, POINTS, replace(effect, behind=behind), judge, people)


def lengths_and_styles(units: Sequence[Unit]) -> list[Bias]:
    """Log-odds of being chosen per standard deviation of length and of markdown per length.

    One logistic regression for the judge and one for the people, on the same pairs and the same
    differences; length alone, each style with length beside it. The difference of the two
    coefficients is the bias, its error clustered by prompt.
    """
    both = [unit for unit in units if unit.people]
    if len({unit.prompt for unit in both}) < 2:
        return []
    design = differences(both)
    judge = np.array([_share(unit.side) for unit in both])
    people = np.array([float(np.mean(unit.people)) for unit in both])
    prompts = [unit.prompt for unit in both]
    found = []
    columns = [("length", [0], 0)] + [(name, [0, 1, 2, 3], k + 1) for k, name in enumerate(STYLES)]
    for name, used, place in columns:
        column = design[:, place]
        if not column.any():
            continue
        row = _coefficients(design[:, used], judge, people, prompts, used.index(place))
        behind = _behind(both, column)
        found.append(
            Bias(name, LOG_ODDS, replace(row[0], behind=behind), judge=row[1], people=row[2])
        )
    return found


def differences(units: Sequence[Unit]) -> Floats:
    """(n, 4) first minus second in standard deviations: log length, then headings, lists and bold
    per character."""
    lengths = np.array([unit.lengths for unit in units], dtype=np.float64)
    styles = np.array([unit.styles for unit in units], dtype=np.float64)
    values = np.concatenate(
        [np.log1p(lengths)[:, :, None], styles / (lengths + 1)[:, :, None]], axis=2
    )
    difference: Floats = values[:, 0] - values[:, 1]
    # Around 0, not around the mean: exchanging completions only changes the sign.
    spread = np.sqrt((difference**2).mean(axis=0))
    return difference / np.where(spread > 0, spread, 1)


def _coefficients(
    design: Floats, judge: Floats, people: Floats, prompts: Sequence[str], place: int
) -> tuple[Effect, float, float]:
    """(the judge's minus the people's, the judge's, the people's) at column `place`."""
    ours, our_pull = _logistic(design, judge)
    theirs, their_pull = _logistic(design, people)
    sums = by_prompt(prompts, (our_pull - their_pull)[:, place])
    count = len(sums)
    error = math.sqrt(float((sums**2).sum()) * count / (count - 1))
    gap = float(ours[place] - theirs[place])
    chance = math.erfc(abs(gap) / error / math.sqrt(2)) if error > 0 else math.nan
    effect = Effect(gap, gap - Z * error, gap + Z * error, len(design), count, chance)
    return effect, float(ours[place]), float(theirs[place])


def _logistic(design: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coefficients by Newton's method, and each row's pull on them: H⁻¹ x (y − p), (n, k).

    No intercept: exchanging the completions has to exchange the answer. The ridge keeps a
    coefficient finite where somebody always chose the longer.
    """
    size = design.shape[1]
    weights, curve = np.zeros(size), RIDGE * np.eye(size)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + RIDGE * np.eye(size)
        step = np.linalg.solve(curve, design.T @ (y - chance) - RIDGE * weights)
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
    pull = np.linalg.solve(curve, (design * (y - chance)[:, None]).T).T
    return np.asarray(weights), np.asarray(pull)


def _behind(units: Sequence[Unit], column: Floats) -> tuple[int, ...]:
    """Where the judge goes with a feature and against the people, the widest difference first."""
    apart = [
        (abs(float(value)), unit.instance)
        for unit, value in zip(units, column, strict=True)
        if unit.side * value > 0 and unit.plurality not in {None, unit.side}
    ]
    return listed(instance for _, instance in sorted(apart, key=lambda row: -row[0]))
