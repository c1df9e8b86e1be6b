"""The rows of an explanation's page: figures with their words and where each leads."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from annotation.explaining.words import (
    contrast_sentence,
    phrase,
    refusal,
    source_title,
    title,
    titles,
)

Json = dict[str, Any]


def source_rows(figures: Json, criterion: Json) -> list[Json]:
    """Every label source in short: what it goes with, and how well that alone foretells it."""
    return [
        row
        | {
            "key": key,
            "title": source_title(figures["sources"], key),
            "why": refusal(row["refused"]),
            "told": [phrase(*each) for each in row.get("principles", {}).get("factors", [])],
        }
        for key, row in criterion["sources"].items()
    ]


def factor_rows(source: Json) -> list[Json]:
    """The coefficients of one source, the clearest first."""
    words = titles()
    rows = [
        row | {"title": words[row["key"]][0], "help": words[row["key"]][1]}
        for row in source.get("coefficients", [])
    ]
    return sorted(rows, key=lambda row: (row["chance"] is None, row["chance"]))


def rare(source: Json) -> str:
    return ", ".join(title(key) for key in source.get("rare", []))


def contrast_rows(figures: Json, criterion: Json) -> list[Json]:
    """Per judge what it favours more or less than people, marked ones with their sentence."""
    return [
        {
            "key": key,
            "title": (name := source_title(figures["sources"], key)),
            "pairs": found["pairs"],
            "rows": [row | {"title": title(row["key"])} for row in _clearest(found)],
            "told": [
                {"words": contrast_sentence(name, row), **row}
                for row in sorted(found["coefficients"], key=lambda row: -abs(row["value"]))
                if row["stands_out"]
            ],
        }
        for key, found in criterion["contrasts"].items()
    ]


def _clearest(found: Json) -> list[Json]:
    return sorted(found["coefficients"], key=lambda row: (row["chance"] is None, row["chance"]))


def domain_rows(source: Json) -> list[Json]:
    """Per tag the factors that stand out within it."""
    return [
        domain
        | {
            "told": [
                {"title": title(row["key"]), **row}
                for row in sorted(domain["coefficients"], key=lambda row: -abs(row["value"]))
                if row["stands_out"]
            ]
        }
        for domain in source.get("domains", [])
    ]


def component_rows(source: Json) -> list[Json]:
    """The directions with their loadings in words."""
    return [
        each
        | {
            "made_of": [{"title": title(key), "value": value} for key, value in each["loadings"]],
        }
        for each in source.get("components", [])
    ]


def behind(figures: Json, asked: dict[str, str]) -> tuple[str, str, list[int]]:
    """A title, the reason for relabelling, and the instances behind a figure; blank without one."""
    of = asked.get("of", "")
    if of == "conflict":
        return _conflict(figures, asked)
    if of in {"near", "least"} and figures["diversity"]:
        keys = figures["diversity"]["near_behind" if of == "near" else "least"]
        name = _("Near-duplicates") if of == "near" else _("The least diverse")
        return name, name, keys
    source = _source(figures, asked)
    if of == "circles" and source:
        name = _("Prompts whose completions go in a circle")
        return name, name, source["circles"]["within"]["behind"]
    return _factor(source, asked)


def _conflict(figures: Json, asked: dict[str, str]) -> tuple[str, str, list[int]]:
    for row in figures["conflicts"]:
        if [row["source"], row["a"], row["b"]] == [asked.get(k) for k in ("source", "a", "b")]:
            words = _("%(a)s against %(b)s") % {"a": row["a"], "b": row["b"]}
            return words, words, row["behind"]
    return "", "", []


def _source(figures: Json, asked: dict[str, str]) -> Json | None:
    criterion = chosen(figures["criteria"], asked.get("criterion"))
    found: Json | None = criterion["sources"].get(asked.get("source")) if criterion else None
    return found


def chosen(criteria: Sequence[Json], key: str | None) -> Json | None:
    """The criterion of that key, else the first."""
    return next((row for row in criteria if row["key"] == key), criteria[0] if criteria else None)


def _factor(source: Json | None, asked: dict[str, str]) -> tuple[str, str, list[int]]:
    rows = source.get("coefficients", []) if source else []
    row = next((row for row in rows if row["key"] == asked.get("factor")), None)
    if row is None:
        return "", "", []
    name = {"what": phrase(row["key"], row["value"])}
    if asked.get("of") == "with":
        return _("Decided for %(what)s") % name, _("explained by %(what)s") % name, row["with"]
    words = _("Decided against what is usual: %(what)s") % name
    return words, _("against %(what)s") % name, row["against"]
