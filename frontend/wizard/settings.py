"""Between the forms of the settings page and the arguments of `change_protocol`. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.projects.models import Kind, Protocol, TieKind
from annotation.projects.services import FROZEN, settings_of
from core.exceptions import InvalidInput

from .fields import (
    Plan,
    arguments_of,
    decimal,
    people,
    percent,
    read_plan,
    row_of,
    share,
    values_of,
    whole,
)

Fields = dict[str, Any]
ANSWERS = (
    "kind",
    "ties",
    "strength_levels",
    "ask_confidence",
    "post_edit",
    "mark_steps",
    "best_worst",
    "reasons",
    "rationale",
    "rationale_share",
)
SHARES = ("gold_share", "repeat_share", "qualify_share")
NUMBERS = ("qualify_count", "flag_limit", "lease_minutes")


def typed(protocol: Protocol) -> Fields:
    """Every setting as its field shows it."""
    values = values_of(settings_of(protocol, []))
    values |= {name: percent(getattr(protocol, name)) for name in SHARES}
    values |= {name: str(getattr(protocol, name)) for name in NUMBERS}
    values |= {name: getattr(protocol, name) for name in ("locale", "licence", "leaderboard")}
    return values


def sent(data: QueryDict, section: str) -> Fields:
    """What one form sent, as it was typed."""
    plain = ("gold_share", "repeat_share", "qualify_share", *NUMBERS, "locale", "licence")
    values: Fields = {name: data[name] for name in plain if name in data}
    if section == "general":
        values["leaderboard"] = data.get("leaderboard") == "on"
    return read_plan(data).values | values if section in {"answers", "people"} else values


def read_section(section: str, data: QueryDict, protocol: Protocol, frozen: bool) -> Fields:
    """The fields that one form changes; what stands still is left out.

    Raises:
        InvalidInput: there is no such form, or a field cannot be read.
    """
    if section not in SECTIONS:
        raise InvalidInput(_("The form does not say what it changes: reload the page."))
    fields = SECTIONS[section](typed(protocol) | sent(data, section), protocol, frozen)
    return {name: value for name, value in fields.items() if not (frozen and name in FROZEN)}


def _answers(values: Fields, protocol: Protocol, frozen: bool) -> Fields:
    if frozen:
        # The fields of what stands still are disabled: a browser does not send them.
        values = values | {"kind": protocol.kind, "scale": typed(protocol)["scale"]}
    rows = [row_of({"name": "-"})]
    arguments = arguments_of(Plan(values | {"people": "fixed", "overlap": "1"}, rows))
    if frozen and protocol.kind == Kind.PAIRWISE and TieKind.TIE in protocol.ties:
        arguments["ties"] = [TieKind.TIE, *(t for t in arguments["ties"] if t != TieKind.TIE)]
    return {name: arguments[name] for name in ANSWERS}


def _people(values: Fields, protocol: Protocol, frozen: bool) -> Fields:
    return people(values) | {"least_seconds": decimal(values["least_seconds"], _("least seconds"))}


def _quality(values: Fields, protocol: Protocol, frozen: bool) -> Fields:
    return {
        "gold_share": share(values["gold_share"], _("gold")),
        "repeat_share": share(values["repeat_share"], _("repeats")),
        "qualify_count": whole(values["qualify_count"], _("instances of the round")),
        "qualify_share": share(values["qualify_share"], _("right answers")),
        "flag_limit": whole(values["flag_limit"], _("people who flag")),
    }


def _general(values: Fields, protocol: Protocol, frozen: bool) -> Fields:
    return {
        "lease_minutes": whole(values["lease_minutes"], _("minutes of a lease")),
        "locale": values["locale"].strip(),
        "licence": values["licence"].strip(),
        "leaderboard": values["leaderboard"],
    }


SECTIONS: Mapping[str, Callable[[Fields, Protocol, bool], Fields]] = {
    "answers": _answers,
    "people": _people,
    "quality": _quality,
    "general": _general,
}
