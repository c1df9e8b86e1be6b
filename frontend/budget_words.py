"""What budgets count, for whom and for how long, in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.ledger.models import Unit
from routing.budgets.models import Period, Spender

UNITS: dict[str, Promise] = {
    Unit.MONEY: _("money"),
    Unit.LABELS: _("labels"),
    Unit.MINUTES: _("minutes"),
}
PERIODS: dict[str, Promise] = {
    Period.WHOLE: _("the whole project"),
    Period.DAY: _("each day"),
    Period.WEEK: _("each week"),
    Period.MONTH: _("each month"),
}
SPENDERS: dict[str, Promise] = {
    Spender.ALL: _("everything"),
    Spender.PEOPLE: _("all people"),
    Spender.REGULAR: _("people of the regular pools"),
    Spender.EXPERT: _("experts"),
    Spender.JUDGES: _("judges"),
}


def unit_word(unit: str, currency: str) -> str:
    """`USD`, `labels`, `minutes`."""
    return currency if unit == Unit.MONEY else str(UNITS[unit])
