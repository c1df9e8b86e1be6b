"""The figures of a judge report in words: what each bias is, and the instances behind a figure."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

Json = dict[str, Any]


def bias_rows(biases: list[Json]) -> list[Json]:
    """The biases with a name, what it means, and the number that leads to their instances."""
    return [
        bias | {"title": title, "help": hint, "number": number, "effect": _in_points(bias)}
        for number, bias in enumerate(biases)
        for title, hint in [_bias(bias)]
    ]


def _in_points(bias: Json) -> Json:
    """The effect; of shares in percentage points."""
    effect: Json = bias["effect"]
    if bias["scale"] != "points":
        return effect
    names = ("value", "low", "high")
    return effect | {name: None if effect[name] is None else 100 * effect[name] for name in names}


def _bias(bias: Json) -> tuple[str, str]:
    style = _("log odds per standard deviation more, beyond what sways people")
    words = {
        "position": (
            _("Position"),
            _("the completion shown first wins, against one half; 0.2 is small, 0.5 medium"),
        ),
        "first": (
            _("Names the first"),
            _("the first in the project's own order, beyond what people do"),
        ),
        "length": (_("Length"), style),
        "headings": (_("Headings"), style),
        "lists": (_("Lists"), style),
        "bold": (_("Bold"), style),
        "self": (
            _("Self-preference"),
            _("favours its own family %(name)s beyond what people do") % {"name": bias["name"]},
        ),
        "family": (
            _("Favours %(name)s") % {"name": bias["name"]},
            _("this family of generators, beyond what people do"),
        ),
    }
    return words[bias["key"]]


def why_uncalibrated(calibration: Json) -> str:
    """Why a judge's probabilities stay as they are; blank where they are calibrated."""
    words = {
        "none": _(
            "No pair of A-calibrate has labels of people yet: it is the half of the audit arm "
            "that calibrations may see."
        ),
        "too few": _(
            "A-calibrate has too few labels to fit on: 30 on 10 prompts are the least. The "
            "probabilities stay as they are."
        ),
        "as good as it is": _(
            "On held-out prompts no calibration did better than the probabilities as they are."
        ),
    }
    return words.get(calibration["why"], "")


def why_not_routed(word: str) -> str:
    """Why routed labels cannot be counted in."""
    words = {
        "no audit": _("No instance of the audit arm has both labels yet."),
        "not everywhere": _(
            "The judge has not decided every assigned instance: those it has were chosen."
        ),
        "no propensity": _("Nothing was routed: no instance has a propensity."),
        "few drawn": _(
            "Fewer than 20 prompts with people's labels were drawn among those meant for the judge "
            "alone: each would stand for many."
        ),
        "propensity 0": _("Some instance could not have got a person's label (propensity 0)."),
    }
    return words.get(word, "")


def answer_word(side: int) -> str:
    return {1: _("completion 1"), -1: _("completion 2"), 0: _("tie")}[side]


def confusion_rows(cells: list[Json]) -> list[Json]:
    """A row per answer of the people, a cell per answer of the judge, with its share of the row."""
    rows = []
    for truth in (1, -1, 0):
        mine = [cell for cell in cells if cell["people"] == truth]
        total = sum(cell["count"] for cell in mine)
        rows.append(
            {
                "name": answer_word(truth),
                "total": total,
                "cells": [
                    cell
                    | {
                        "share": cell["count"] / total if total else None,
                        "right": cell["judge"] == truth,
                        "key": f"{truth},{cell['judge']}",
                    }
                    for cell in mine
                ],
            }
        )
    return rows


def behind(figures: Json, of: str, which: str) -> tuple[str, list[int]]:
    """A title, and the instances behind a figure; blank where there is no such figure."""
    verdicts = figures["all"]["verdicts"]
    found: Callable[[], tuple[str, list[int]]] | None = {
        "against": lambda: (_("The judge against the plurality of people"), verdicts["against"]),
        "audit": lambda: (
            _("The judge against people on A-report"),
            figures["report"]["against"],
        ),
        "flips": lambda: (
            _("The two orders name different winners"),
            _listed(figures["consistency"]["flips"]),
        ),
        "confusion": lambda: _cell(verdicts["confusion"], which),
        "tag": lambda: _tag(figures["tags"], which),
        "bias": lambda: _swayed(_at(figures["biases"], which)),
        "bin": lambda: _bin(_at((figures["reliability"] or {}).get("bins", []), which)),
    }.get(of)
    return found() if found else ("", [])


def _tag(rows: list[Json], tag: str) -> tuple[str, list[int]]:
    title = _("Against people, tagged %(tag)s") % {"tag": tag}
    return next(((title, row["behind"]) for row in rows if row["tag"] == tag), ("", []))


def _swayed(bias: Json | None) -> tuple[str, list[int]]:
    return (_bias(bias)[0], _listed(bias["effect"])) if bias else ("", [])


def _bin(found: Json | None) -> tuple[str, list[int]]:
    if found is None:
        return "", []
    share = f"{100 * found['confidence']:.0f} %"
    return _("Confidence about %(share)s") % {"share": share}, found["behind"]


def _cell(cells: list[Json], which: str) -> tuple[str, list[int]]:
    for cell in cells:
        if which == f"{cell['people']},{cell['judge']}":
            words = {"people": answer_word(cell["people"]), "judge": answer_word(cell["judge"])}
            return _("People: %(people)s. Judge: %(judge)s") % words, cell["behind"]
    return "", []


def _at(rows: list[Json], which: str) -> Json | None:
    return rows[int(which)] if which.isdecimal() and int(which) < len(rows) else None


def _listed(effect: Mapping[str, Any] | None) -> list[int]:
    return list(effect["behind"]) if effect else []
