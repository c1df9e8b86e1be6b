"""Amounts of budgets and their bars."""

from typing import Any

from django import template

from annotation.ledger.models import Budget, Unit
from annotation.ledger.several import MICROS, quantity
from frontend import budget_words
from frontend.numbers import local
from frontend.templatetags.tandem import money
from routing.budgets.models import Allowance

register = template.Library()
# Parts of a bar in the order in which they stand.
PARTS = ("settled", "unknown", "reserved")


@register.filter
def amount(micros: float, of: Allowance | Budget) -> str:
    """Millionths in the unit of an allowance or a budget: `12.50 USD`, `30 labels`."""
    if of.unit == Unit.MONEY:
        return f"{money(round(micros))} {of.currency}"
    return local(quantity(round(micros), of.unit))


@register.filter
def typed(micros: int) -> str:
    """Millionths as one types them into a form: `12.5`."""
    return f"{micros / MICROS:.6f}".rstrip("0").rstrip(".")


@register.filter
def spender_word(spender: str) -> str:
    """For whose labels, in words."""
    return str(budget_words.SPENDERS[spender])


@register.filter
def period_word(period: str) -> str:
    """For how long, in words."""
    return str(budget_words.PERIODS[period])


@register.filter
def unit_of(allowance: Allowance) -> str:
    """What the allowance counts: `USD`, `labels`, `minutes`."""
    return budget_words.unit_word(allowance.unit, allowance.currency)


@register.inclusion_tag("routing/budgets_bar.html")
def budget_bar(budget: Budget) -> dict[str, Any]:
    """A bar of the limit: spent, unknown, set aside; what is left stays empty."""
    parts, at = [], 0.0
    for name in PARTS:
        share = 100 * getattr(budget, name) / budget.limit if budget.limit else 0.0
        parts.append({"name": name, "x": f"{at:.2f}", "width": f"{share:.2f}"})
        at += share
    return {"parts": parts, "budget": budget, "percent": at / 100}
