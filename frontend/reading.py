"""Values of forms: a text that is none of these is an input error, never an exception."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from django.http import QueryDict
from django.utils.translation import gettext as _

from core.exceptions import InvalidInput


def whole(form: QueryDict, name: str, label: str, default: int | None = None) -> int:
    """A whole number of at most nine digits.

    Raises:
        InvalidInput: it is none; `label` names the field.
    """
    raw = form.get(name, "").strip()
    if not raw and default is not None:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) < 10):
        raise InvalidInput(_("%(field)s: give a whole number.") % {"field": label})
    return int(raw)


def micros(form: QueryDict, name: str, label: str) -> int:
    """An amount such as `12.50` in millionths, exactly.

    Raises:
        InvalidInput: it is no amount, or has more than six decimals.
    """
    try:
        value = Decimal(form.get(name, "").strip().replace(",", "."))
        found = int(value.scaleb(6)) if value.is_finite() and abs(value) < 10**9 else None
    except InvalidOperation:
        found = None
    if found is None or Decimal(found).scaleb(-6) != value:
        raise InvalidInput(_("%(field)s: give an amount such as 12.50.") % {"field": label})
    return found


def day(form: QueryDict, name: str, label: str) -> datetime:
    """Midnight (UTC) of a date such as `2030-01-31`.

    Raises:
        InvalidInput: it is no date.
    """
    try:
        return datetime.strptime(form.get(name, ""), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(_("%(field)s: give a date.") % {"field": label}) from error
