"""What the form of the frontier asks for, and amounts as people write them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, InvalidOperation

from django.utils.translation import gettext as _

from core.exceptions import InvalidInput, NotFound
from frontend.numbers import local
from routing.budgets.models import Allowance
from routing.frontier.plan import Spending
from routing.frontier.selectors import Payer

MILLION = 1_000_000
# Decimals of an amount in a field, by unit.
PLACES = {"money": 2, "labels": 0, "minutes": 1}
MOST = 10**15


@dataclass(frozen=True)
class Scale:
    """The slider: plain decimals for its attributes, in whole steps from the minimum."""

    least: str
    most: str
    step: str
    value: str
    # Where a browser puts the slider for that value: on a whole step.
    stood: str


def chosen(payers: list[Payer], raw: str | None) -> Payer | None:
    """The allowance named in the address, else the first; None where there is none.

    Raises:
        NotFound: no allowance of this project that pays for people has that number.
    """
    if not raw:
        return payers[0] if payers else None
    for payer in payers:
        if str(payer.allowance.pk) == raw:
            return payer
    raise NotFound(_("There is no such budget in this project."))


def unit_of(payer: Payer | None) -> str:
    return payer.allowance.unit if payer else "money"


def wished(form: Mapping[str, str], unit: str, otherwise: int) -> int:
    """The limit looked at, in millionths.

    The field beside the slider wins where somebody changed it, or nobody moved the slider: without
    a script the two disagree, and the slider stands on whole steps (`stood`).

    Raises:
        InvalidInput: it is no amount.
    """
    exact, was, limit = (form.get(name, "") for name in ("exact", "was", "limit"))
    unmoved = limit in {"", form.get("stood", "")}
    raw = exact if exact and (exact != was or unmoved) else limit or exact
    return micros(raw) if raw else otherwise


def micros(raw: str) -> int:
    """`1250.50` in millionths.

    Raises:
        InvalidInput: it is no amount of at least 0.
    """
    try:
        value = Decimal(raw.strip().replace(",", "."))
        # Compared before it is multiplied: of 1e999999 nobody makes a whole number.
        small = value.is_finite() and abs(value) <= MOST // MILLION
        amount = int(value * MILLION) if small else -1
    except InvalidOperation:
        amount = -1
    if not 0 <= amount <= MOST or amount != value * MILLION:
        raise InvalidInput(_("Give the budget as a number, like 1250.50."))
    return amount


def scale(money: Spending, unit: str, limit: int, saved: int | None) -> Scale:
    """From the minimum to what sends everything to people, in about 200 steps."""
    places = PLACES[unit]
    least = plain(money.minimum, unit)
    span = max(money.maximum, saved or 0, limit) - money.minimum
    quantum = Decimal(1).scaleb(-places)
    step = max((Decimal(span) / MILLION / 200).quantize(quantum), quantum)
    steps = (Decimal(span) / MILLION / step).to_integral_value(ROUND_CEILING)
    most = Decimal(least) + max(steps, Decimal(1)) * step
    value = plain(limit, unit)
    over = ((Decimal(value) - Decimal(least)) / step).to_integral_value(ROUND_HALF_UP)
    stood = min(max(Decimal(least) + over * step, Decimal(least)), most)
    return Scale(least, str(most), str(step), value, _short(stood))


def _short(value: Decimal) -> str:
    """As a browser writes a number: without zeros at its end."""
    return f"{value.normalize():f}"


def plain(amount: int, unit: str) -> str:
    """Millionths as a decimal for a field, rounded up: it never lies under a minimum."""
    quantum = Decimal(1).scaleb(-PLACES[unit])
    return str((Decimal(amount) / MILLION).quantize(quantum, rounding=ROUND_CEILING))


def said(amount: int, allowance: Allowance | None) -> str:
    """An amount in words: `1,250.50 USD`, `420 labels`."""
    unit = allowance.unit if allowance else "money"
    figure = local(f"{amount / MILLION:,.{PLACES[unit]}f}")
    if unit == "money":
        return f"{figure} {allowance.currency if allowance else 'USD'}"
    return (_("%(n)s labels") if unit == "labels" else _("%(n)s minutes")) % {"n": figure}


def axis_of(payer: Payer | None) -> str:
    """What the axis counts."""
    if payer is None:
        return _("budget, %(currency)s") % {"currency": "USD"}
    unit = payer.allowance.unit
    if unit == "money":
        return _("budget, %(currency)s") % {"currency": payer.allowance.currency}
    return _("budget, labels") if unit == "labels" else _("budget, minutes")
