"""What a replay says in sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from routing.lab.facts import Help, combination, help_of
from routing.lab.sensitivity import points as points_of
from routing.lab.statistics import Interval

if TYPE_CHECKING:
    from routing.lab.replay import Lead, Point


def overall(found: "Sequence[Point]", leads: "Sequence[Lead]", prompts: int) -> str:
    """Whether routing helps at any budget, and whether combining signals does."""
    facts = help_of(found, prompts)
    few = f" Few prompts ({facts.few})." if facts.few is not None else ""
    if not facts.tried:
        return f"Routing could not be tried here.{few}"
    said = [_helps(facts), *([leading(leads)] if leads else [])]
    return " ".join(said) + few


def _helps(facts: Help) -> str:
    if facts.best is None or facts.best.against_random is None:
        return (
            "Routing is not helping here: no strategy is better than a random mix of the same "
            "price at any budget. Spend people's time in proportion, or gather more signals."
        )
    best, gained = facts.best, points_of(facts.best.against_random.value)
    where = "every budget" if facts.everywhere else f"budgets of {_shares(facts.helped)}"
    return (
        f"Routing helps here at {where}; most clearly {best.name} at {_shares([best.budget])}: "
        f"{gained} over a random mix."
    )


def leading(leads: "Sequence[Lead]") -> str:
    """Where the learned combination is ahead of the best single signal, and where it is not."""
    facts = combination(leads)
    said = f"The learned combination is ahead of the best single signal at {_shares(facts.ahead)}"
    if not facts.ahead:
        said = "The learned combination is nowhere ahead of the best single signal"
    elif facts.surely:
        said += f" (beyond doubt at {_shares(facts.surely)})"
    else:
        said += " (nowhere beyond doubt)"
    for lead in facts.behind:
        size = points_of(lead.difference.value) if lead.difference.value else "as good"
        said += f"; at {_shares([lead.budget])} it is {size} against {lead.single}"
    return said + "."


def share(interval: Interval | None) -> str:
    """A share in per cent with its interval."""
    if interval is None:
        return "-"
    low, high = 100 * interval.low, 100 * interval.high
    return f"{100 * interval.value:.1f} [{low:.1f}, {high:.1f}]"


def whole_share(interval: Interval | None) -> str:
    """Captured share in whole per cent with its interval."""
    if interval is None:
        return ""
    return f"{100 * interval.value:.0f} [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def _shares(budgets: Sequence[float]) -> str:
    return ", ".join(f"{100 * b:g} %" for b in budgets)
