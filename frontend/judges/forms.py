"""Reading the forms about judges: numbers, prices and the fields of a connection."""

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.judges.hosts import HOSTS, Host
from core.exceptions import InvalidInput

MICROS = 1_000_000
PRICES = ("price_per_1k_input_micros", "price_per_1k_output_micros", "price_per_call_micros")
WHOLE = (
    "requests_per_minute",
    "tokens_per_minute",
    "concurrency",
    "timeout_seconds",
    "attempts",
    "batch_price_percent",
)
MOST = 1_000_000
# The built-in prompt: one token with its log-probabilities, or reasons first.
MODES = ("token", "reasoned")
# Parameters of a judge that are numbers, and whether they are whole.
NUMBERS = {
    "temperature": False,
    "max_tokens": True,
    "rankings": True,
    "scale": False,
    "seconds": True,
}
WORDS = ("constrain", "pattern", "weak")


def host_named(name: str) -> Host | None:
    """The known host of this name, to begin a connection with."""
    return next((host for host in HOSTS if host.name == name), None)


def connection_values(form: QueryDict) -> dict[str, Any]:
    """The settings of a connection without its key.

    Raises:
        InvalidInput: a number is none.
    """
    return {
        "name": form.get("name", "").strip(),
        "provider": form.get("provider", ""),
        "base_url": form.get("base_url", "").strip(),
        **{name: whole(form, name) for name in WHOLE if form.get(name, "").strip()},
        "idempotent": form.get("idempotent") == "on",
        "batches": form.get("batches") == "on",
    }


def text_of(form: QueryDict, name: str) -> str:
    return form.get(name, "").strip()


def parameters(form: QueryDict) -> dict[str, Any]:
    """The parameters of a judge that were entered; what was left empty is left to its default.

    Raises:
        InvalidInput: a number is none.
    """
    found: dict[str, Any] = {}
    if form.get("prompt", "") in MODES:
        found["mode"] = form["prompt"]
    for name, is_whole in NUMBERS.items():
        if text_of(form, name):
            found[name] = whole(form, name) if is_whole else number(form, name, 0)
    return found | {name: text_of(form, name) for name in WORDS if text_of(form, name)}


def prices(form: QueryDict) -> dict[str, Any]:
    """The three prices in micros; `price_known` is false where none was entered."""
    given = {name: form.get(name, "").strip() for name in PRICES}
    known = any(given.values())
    return {"price_known": known, **{name: micros(form, name) for name in PRICES}}


def micros(form: QueryDict, name: str) -> int:
    """An amount of the currency in millionths; blank is 0.

    Raises:
        InvalidInput: it is no amount between 0 and a million.
    """
    return round(number(form, name, 0) * MICROS)


def number(form: QueryDict, name: str, default: float) -> float:
    """A number between 0 and a million, with a point or a comma.

    Raises:
        InvalidInput: it is none.
    """
    raw = form.get(name, "").strip().replace(",", ".")
    if not raw:
        return default
    try:
        value = float(raw)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= MOST:
        raise InvalidInput(_("%(raw)s is no number that fits here.") % {"raw": raw[:20]})
    return value


def whole(form: QueryDict, name: str, default: int = 0) -> int:
    """A whole number from 0.

    Raises:
        InvalidInput: it is none.
    """
    raw = form.get(name, "").strip()
    if not raw:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) < 9):
        raise InvalidInput(_("%(raw)s is no whole number.") % {"raw": raw[:20]})
    return int(raw)
