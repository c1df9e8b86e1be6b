"""Between the fields of the wizard and the settings page and the arguments of the services. Pure.

The form holds the whole state, so that it works by plain posts: what was typed comes back as it
was, also where it cannot be used.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotation.projects.models import Kind, TieKind
from annotation.projects.templating import Template
from core.exceptions import InvalidInput

# Points of the scale: (levels of strength, tie in the middle).
SCALES = {
    "2": (1, False),
    "3": (1, True),
    "4": (2, False),
    "5": (2, True),
    "6": (3, False),
    "7": (3, True),
}
ANYBODY = "anybody"
ROW = re.compile(r"criteria-(\d{1,3})-name")
ROW_FIELDS = ("key", "name", "question", "kind", "lowest", "levels", "labels", "reasons")
FLAGS = ("ask_confidence", "post_edit", "mark_steps", "best_worst")


@dataclass
class Plan:
    """The state of the wizard: every field as it was typed, criteria as rows of them."""

    values: dict[str, Any] = field(default_factory=dict)
    criteria: list[dict[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.values.get("name", "")).strip()


def plan_of(template: Template | None) -> Plan:
    """The fields of a template, or of the simplest comparison there is."""
    if template is None:
        overall = {"name": "Overall", "question": "Which completion is better overall?"}
        return Plan(values_of({"kind": "pairwise", "overlap": 1}), [row_of(overall)])
    arguments = template.arguments()
    rows = [row_of(criterion) for criterion in arguments["criteria"]]
    return Plan(values_of(arguments) | {"template": template.key}, rows)


def row_of(criterion: Mapping[str, Any]) -> dict[str, str]:
    """A criterion's fields as they are typed."""
    defaults = {"lowest": 1, "levels": 5}
    return {name: _typed(criterion.get(name, defaults.get(name, ""))) for name in ROW_FIELDS}


def _typed(value: Any) -> str:
    return "\n".join(value) if isinstance(value, (list, tuple)) else str(value)


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a protocol as they are typed."""
    ties = list(given.get("ties", [TieKind.TIE, TieKind.BOTH_BAD, TieKind.CANNOT_JUDGE]))
    seats, most = given.get("seats", []), given.get("overlap_most")
    scale = (int(given.get("strength_levels", 2)), TieKind.TIE in ties)
    return {
        "kind": given.get("kind", Kind.PAIRWISE),
        "scale": next((key for key, value in SCALES.items() if value == scale), "5"),
        "ties": ties,
        "reasons": _typed(given.get("reasons", [])),
        "rationale": given.get("rationale", "optional"),
        "rationale_share": percent(given.get("rationale_share", 0.1)),
        "people": "seats" if seats else "adaptive" if most else "fixed",
        "overlap": str(given.get("overlap", 1)),
        "overlap_most": str(most or 5),
        "seats": seat_lines(seats),
        "gates": ", ".join(given.get("gates", [])),
        "guideline": given.get("guideline", ""),
        "least_seconds": _typed(given.get("least_seconds") or ""),
        **{flag: bool(given.get(flag)) for flag in FLAGS},
    }


def read_plan(data: QueryDict) -> Plan:
    """What the form sent, as it was typed."""
    names = ("template", "name", "description", "kind", "scale", "reasons", "rationale")
    more = ("rationale_share", "people", "overlap", "overlap_most", "seats", "gates", "guideline")
    values: dict[str, Any] = {name: data.get(name, "") for name in (*names, *more)}
    values["least_seconds"] = data.get("least_seconds", "")
    values["ties"] = data.getlist("ties")
    values |= {flag: data.get(flag) == "on" for flag in FLAGS}
    numbers = sorted(int(found[1]) for key in data if (found := ROW.fullmatch(key)))
    rows = [
        {name: data.get(f"criteria-{number}-{name}", "") for name in ROW_FIELDS}
        for number in numbers
    ]
    return Plan(values, rows)


def rearranged(plan: Plan, act: str) -> bool:
    """Do what a button beside a criterion says; false where the act is another one."""
    verb, _dash, place = act.partition("-")
    rows = plan.criteria
    if verb == "add":
        rows.append(row_of({}))
        return True
    if verb not in {"remove", "up", "down"} or not place.isdecimal() or int(place) >= len(rows):
        return False
    number = int(place)
    row = rows.pop(number)
    if verb != "remove":
        rows.insert(max(0, number - 1) if verb == "up" else number + 1, row)
    return True


def arguments_of(plan: Plan) -> dict[str, Any]:
    """What `create_project` takes beside name and owner.

    Raises:
        InvalidInput: a field cannot be read; says which and what to write.
    """
    values, kind = plan.values, str(plan.values["kind"])
    pairwise, listwise = kind == Kind.PAIRWISE, kind == Kind.LISTWISE
    levels, tie = SCALES.get(values["scale"], (2, True))
    return {
        "kind": kind,
        "criteria": criteria_of(plan.criteria),
        "ties": _ties(values["ties"], tie if pairwise else TieKind.TIE in values["ties"]),
        "strength_levels": levels if pairwise else 2,
        "ask_confidence": values["ask_confidence"],
        "post_edit": values["post_edit"],
        "mark_steps": values["mark_steps"] and pairwise,
        "best_worst": values["best_worst"] and listwise,
        "reasons": lines(values["reasons"]),
        "rationale": values["rationale"],
        "rationale_share": share(values["rationale_share"], _("share of sampled reasons")),
        "least_seconds": decimal(values["least_seconds"], _("least seconds")),
        "guideline": values["guideline"].replace("\r\n", "\n"),
        **people(values),
    }


def people(values: Mapping[str, Any]) -> dict[str, Any]:
    """Overlap, its growth, seats and gates, by the way that was chosen."""
    seats = read_seats(values["seats"]) if values["people"] == "seats" else []
    overlap = (
        sum(seat["count"] for seat in seats) if seats else whole(values["overlap"], _("overlap"))
    )
    adaptive = values["people"] == "adaptive"
    most = whole(values["overlap_most"], _("most labels")) if adaptive else None
    gates = [gate.strip() for gate in values["gates"].split(",")]
    return {
        "overlap": overlap,
        "overlap_most": most,
        "seats": seats,
        "gates": [gate for gate in gates if gate],
    }


def _ties(chosen: Sequence[str], tie: bool) -> list[str]:
    wanted = set(chosen) - {str(TieKind.TIE)} | ({str(TieKind.TIE)} if tie else set())
    return [str(kind) for kind in TieKind if kind in wanted]


def criteria_of(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The criteria of the rows that have a name; a key is made of the name where there is none."""
    found: list[dict[str, Any]] = []
    taken: set[str] = {row["key"] for row in rows if row["key"]}
    for row in rows:
        if not (row["name"].strip() or row["question"].strip()):
            continue
        key = row["key"] or free_key(row["name"], taken)
        taken.add(key)
        found.append(criterion_of(row) | {"key": key})
    return found


def criterion_of(row: Mapping[str, str]) -> dict[str, Any]:
    """One criterion's fields but its key; levels matter for ratings alone."""
    fields: dict[str, Any] = {
        "name": row["name"].strip(),
        "question": row["question"].strip(),
        "kind": row["kind"],
        "reasons": lines(row["reasons"]),
    }
    named = lines(row["labels"])
    return fields | {
        "lowest": whole(row["lowest"] or "1", _("lowest level")),
        "levels": len(named) or whole(row["levels"] or "5", _("number of levels")),
        "labels": named,
    }


def free_key(name: str, taken: set[str]) -> str:
    wanted = slugify(name)[:36] or "criterion"
    return next(
        key
        for number in range(1, 100)
        if (key := wanted + f"-{number}" * (number > 1)) not in taken
    )


def lines(text: str) -> list[str]:
    """One entry a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def seat_lines(seats: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(f"{seat['cohort'] or ANYBODY}: {seat['count']}" for seat in seats)


def read_seats(text: str) -> list[dict[str, Any]]:
    """Lines of `cohort: count`; the cohort `anybody` takes whoever comes.

    Raises:
        InvalidInput: a line is not written so.
    """
    seats = []
    for line in lines(text):
        cohort, _colon, count = line.rpartition(":")
        name = cohort.strip()
        if not name:
            raise InvalidInput(_("Write seats as lines like “expert: 2”."))
        seats.append({"cohort": "" if name == ANYBODY else name, "count": whole(count, _("seats"))})
    if not seats:
        raise InvalidInput(_("Name at least one cohort with its seats, or choose a fixed overlap."))
    return seats


def whole(text: str, what: str) -> int:
    """
    Raises:
        InvalidInput: the text is no whole number.
    """
    cleaned = text.strip()
    if not re.fullmatch(r"-?\d{1,6}", cleaned, re.ASCII):
        raise InvalidInput(_("%(what)s: write a whole number.") % {"what": what.capitalize()})
    return int(cleaned)


def decimal(text: str, what: str) -> float | None:
    """A number of seconds and the like; nothing written is None.

    Raises:
        InvalidInput: the text is no number.
    """
    if not text.strip():
        return None
    if not re.fullmatch(r"\d{1,6}([.,]\d{1,4})?", text.strip(), re.ASCII):
        raise InvalidInput(_("%(what)s: write a number.") % {"what": what.capitalize()})
    return float(text.strip().replace(",", "."))


def share(text: str, what: str) -> float:
    """Per cent as a share of 1; nothing written is 0.

    Raises:
        InvalidInput: the text is no number from 0 to 100.
    """
    number = decimal(text, what) or 0.0
    if number > 100:
        raise InvalidInput(_("%(what)s: at most 100 per cent.") % {"what": what.capitalize()})
    return round(number / 100, 6)


def percent(value: float) -> str:
    """A share of 1 as it is written in a field of per cent."""
    return f"{100 * value:.6g}"
