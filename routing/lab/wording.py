"""What a replay says in sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from routing.lab.sensitivity import points as points_of
from routing.lab.statistics import FEW_PROMPTS, Interval

if TYPE_CHECKING:
    from routing.lab.replay import Lead, Point


def overall(found: "Sequence[Point]", leads: "Sequence[Lead]", prompts: int) -> str:
    """Whether routing helps at any budget, and whether combining signals does."""
    few = f" Few prompts ({prompts})." if prompts < FEW_PROMPTS else ""
    routed = [p for p in found if p.against_random and p.key != "oracle"]
    if not routed:
        return f"Routing could not be tried here.{few}"
    budgets = sorted({p.budget for p in routed})
    helped = sorted({p.budget for p in routed if p.against_random and p.against_random.low > 0})
    said = [_helps(helped, budgets, routed), *([leading(leads)] if leads else [])]
    return " ".join(said) + few


def _helps(helped: list[float], budgets: list[float], routed: "list[Point]") -> str:
    if not helped:
        return (
            "Routing is not helping here: no strategy is better than a random mix of the same "
            "price at any budget. Spend people's time in proportion, or gather more signals."
        )
    best = max(
        (p for p in routed if p.budget in helped and p.against_random),
        key=lambda p: p.against_random.low if p.against_random else 0.0,
    )
    gained = points_of(best.against_random.value) if best.against_random else ""
    where = "every budget" if helped == budgets else f"budgets of {_shares(helped)}"
    return (
        f"Routing helps here at {where}; most clearly {best.name} at {_shares([best.budget])}: "
        f"{gained} over a random mix."
    )


def leading(leads: "Sequence[Lead]") -> str:
    """Where the learned combination is ahead of the best single signal, and where it is not."""
    ahead = [lead.budget for lead in leads if lead.difference.value > 0]
    behind = [lead for lead in leads if lead.difference.value <= 0]
    surely = [lead.budget for lead in leads if lead.difference.low > 0]
    said = f"The learned combination is ahead of the best single signal at {_shares(ahead)}"
    if not ahead:
        said = "The learned combination is nowhere ahead of the best single signal"
    elif surely:
        said += f" (beyond doubt at {_shares(surely)})"
    else:
        said += " (nowhere beyond doubt)"
    for lead in behind:
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
