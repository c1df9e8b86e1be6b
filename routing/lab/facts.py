"""What follows from a replay, as numbers and names: whoever tells it finds the words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing.lab.statistics import FEW_PROMPTS, Interval

if TYPE_CHECKING:
    from routing.lab.replay import Lead, Point

ORACLE = "oracle"


@dataclass(frozen=True)
class Help:
    """Whether routing helps at any budget. `helped` are those budgets, `best` the clearest gain
    there; `tried` is False where no strategy could be; `few` how many prompts where few."""

    tried: bool
    helped: tuple[float, ...]
    everywhere: bool
    best: "Point | None"
    few: int | None


@dataclass(frozen=True)
class Combination:
    """Budgets at which the learned combination is ahead of the best single signal, those at which
    it surely is, and the leads that are none."""

    ahead: tuple[float, ...]
    surely: tuple[float, ...]
    behind: "tuple[Lead, ...]"


@dataclass(frozen=True)
class Against:
    """One budget against a random mix: differences by strategy, who helps and who hurts."""

    known: Mapping[str, Interval]
    helping: tuple[str, ...]
    hurting: tuple[str, ...]
    few: int | None


def help_of(points: "Sequence[Point]", prompts: int) -> Help:
    """A strategy helps where the whole interval of its difference lies above 0."""
    routed = [p for p in points if p.against_random and p.key != ORACLE]
    low = [p.against_random.low if p.against_random else 0.0 for p in routed]
    sure = [place for place, each in enumerate(low) if each > 0]
    helped = tuple(sorted({routed[place].budget for place in sure}))
    best = routed[max(sure, key=lambda place: low[place])] if sure else None
    everywhere = helped == tuple(sorted({p.budget for p in routed}))
    return Help(bool(routed), helped, everywhere, best, few(prompts))


def combination(leads: "Sequence[Lead]") -> Combination:
    return Combination(
        tuple(lead.budget for lead in leads if lead.difference.value > 0),
        tuple(lead.budget for lead in leads if lead.difference.low > 0),
        tuple(lead for lead in leads if lead.difference.value <= 0),
    )


def against(differences: Mapping[str, Interval | None], prompts: int) -> Against:
    """`differences` are those of strategies from a random mix, paired."""
    known = {key: found for key, found in differences.items() if found is not None}
    return Against(
        known,
        tuple(key for key, found in known.items() if found.low > 0),
        tuple(key for key, found in known.items() if found.high < 0),
        few(prompts),
    )


def few(prompts: int) -> int | None:
    """How many prompts, where they are few."""
    return prompts if prompts < FEW_PROMPTS else None
