"""Can a reward model on these data show a difference at all? And what follows, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from routing.lab.facts import against
from routing.lab.statistics import Interval


@dataclass(frozen=True)
class Sensitivity:
    """`difference` is oracle mix minus all-judge in reward-model accuracy; `detectable` the
    smallest true difference these data, heads and seeds would find (80 % power, 5 % level)."""

    difference: Interval
    detectable: float
    can_tell: bool
    sentence: str


def judge_sensitivity(difference: Interval | None, detectable: float | None) -> Sensitivity | None:
    """None where no reward model was trained."""
    if difference is None or detectable is None:
        return None
    can_tell = difference.low > 0
    shown = size(difference)
    if can_tell:
        sentence = f"Reward models can tell mixes apart here: oracle minus all-judge is {shown}."
    else:
        sentence = (
            f"Cannot tell here: oracle minus all-judge is {shown} in reward-model accuracy, "
            f"and only {100 * detectable:.1f} or more would show. More data or a larger proxy "
            "would help."
        )
    return Sensitivity(difference, detectable, can_tell, sentence)


def verdict(
    against_random: Mapping[str, Interval | None], names: Mapping[str, str], prompts: int
) -> str:
    """One plain sentence on label accuracy of the routed mixes against a random mix.

    `against_random` maps an arm to its paired difference from the random mix; a router helps
    when the whole interval lies above 0, and hurts when it lies below.
    """
    facts = against(against_random, prompts)
    few = f" Few prompts ({facts.few})." if facts.few is not None else ""
    if not facts.known:
        return f"Routing could not be tried here.{few}"
    said = ", ".join(f"{names[arm]} {size(d)}" for arm, d in facts.known.items())
    if facts.helping:
        helping = _and([names[arm] for arm in facts.helping])
        return f"Routing helps here by {helping}; against a random mix: {said}.{few}"
    worse = ""
    if facts.hurting:
        hurting = _and([names[arm] for arm in facts.hurting]).capitalize()
        worse = f" {hurting} does worse than chance."
    return f"Routing is not helping here; against a random mix: {said}.{worse}{few}"


def points(value: float) -> str:
    """A share as percentage points with a sign."""
    return f"{100 * value:+.1f} points"


def size(difference: Interval) -> str:
    """A difference in percentage points with its interval."""
    low, high = 100 * difference.low, 100 * difference.high
    return f"{points(difference.value)} [{low:+.1f}, {high:+.1f}]"


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
