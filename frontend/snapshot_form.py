"""Between the fields of the snapshot builder and a query. Pure.

What was typed comes back as it was, also where it cannot be used.
"""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.consensus.models import Scope
from annotation.datasets.narrowing import SOURCES
from annotation.datasets.queries import BAND, EVERY
from annotation.instances.models import InstanceState
from annotation.labels.models import AnnotatorKind
from annotation.queue.models import Arm, Destination
from core.exceptions import InvalidInput
from frontend.wizard.fields import decimal

SIGNALS = ("difficulty", "reward_margin", "reward_variance", "label_trust")
# Fields of several boxes, with what they may hold.
BOXES: dict[str, list[str]] = {
    "kinds": list(AnnotatorKind.values),
    "sources": list(SOURCES),
    "states": list(InstanceState.values),
    "arms": list(Arm.values),
    "destinations": list(Destination.values),
}
# Lists typed with commas, by where they stand in the query.
LISTS = {
    "annotators_in": ("annotators", "in"),
    "annotators_out": ("annotators", "out"),
    "cohorts": ("cohorts", ""),
    "reasons": ("reasons", ""),
    "methods": ("consensus", "methods"),
    "tags_any": ("tags", "any"),
    "tags_without": ("tags", "without"),
    "strategies": ("decisions", "strategies"),
    "external_ids": ("instances", "external_ids"),
}
WHOLE = {"versions": ("consensus", "versions"), "routers": ("decisions", "routers")}
FLAGS = ("exclude_ties", "include_excluded", "propensity_known", "keep_unknown")
FIRST = {"exclude_ties": "on", "test_share": "0.2", "scope": Scope.MIXED.value}


def values_of(post: QueryDict) -> dict[str, Any]:
    """What was typed: a list for fields of boxes, else a text."""
    return {
        name: post.getlist(name) if name in BOXES else post.get(name, "").strip() for name in post
    }


def query_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The query that the fields mean; the parts left empty are absent.

    Raises:
        InvalidInput: a number is none.
    """
    query: dict[str, Any] = {
        "scope": values.get("scope") or Scope.MIXED,
        "exclude_ties": values.get("exclude_ties") == "on",
        "include_excluded": values.get("include_excluded") == "on",
    }
    if criterion := values.get("criterion"):
        query["criterion"] = criterion
    if (share := _number(values, "test_share")) is not None and share > 0:
        query["splits"] = {"test": share}
    for part in (_ratings(values), _labels(values), _instances(values)):
        query |= {name: value for name, value in part.items() if value not in ({}, [], "", None)}
    _lists(values, query)
    if query.get("criterion") == EVERY:
        query.pop("pairs_from_ratings", None)
    return query


def _ratings(values: Mapping[str, Any]) -> dict[str, Any]:
    band = {name: _number(values, f"band_{name}") for name in BAND}
    return {
        "pairs_from_ratings": _number(values, "pairs_from_ratings"),
        "band": {name: value for name, value in band.items() if value is not None},
    }


def _labels(values: Mapping[str, Any]) -> dict[str, Any]:
    agreement = {key: _number(values, f"agreement_{key}") for key in ("least", "most")}
    return {
        "kinds": values.get("kinds"),
        "simulated": values.get("simulated"),
        "dates": {key: values[key] for key in ("from", "to") if values.get(key)},
        "sources": values.get("sources"),
        "agreement": {key: each for key, each in agreement.items() if each is not None},
    }


def _instances(values: Mapping[str, Any]) -> dict[str, Any]:
    bands = {
        name: [_number(values, f"{name}_low"), _number(values, f"{name}_high")] for name in SIGNALS
    }
    decisions: dict[str, Any] = {
        key: values[key] for key in ("arms", "destinations") if values.get(key)
    }
    if values.get("propensity_known") == "on":
        decisions["propensity_known"] = True
    return {
        "states": values.get("states"),
        "decisions": decisions,
        "signals": {name: band for name, band in bands.items() if band != [None, None]},
        "unknown": "keep" if values.get("keep_unknown") == "on" else None,
    }


def _lists(values: Mapping[str, Any], query: dict[str, Any]) -> None:
    for name, (part, key) in (LISTS | WHOLE).items():
        found: list[Any] = [each.strip() for each in values.get(name, "").split(",")]
        found = [each for each in found if each]
        if name in WHOLE and found:
            found = [_whole(name, each) for each in found]
        if found and key:
            query.setdefault(part, {})[key] = found
        elif found:
            query[part] = found


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidInput(_("%(name)s are whole numbers with commas.") % {"name": name})
    return int(text)


def _number(values: Mapping[str, Any], name: str) -> float | None:
    return decimal(values.get(name, ""), name.replace("_", " "))
