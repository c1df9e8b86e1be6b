"""The figures of one judge on one criterion, ready for JSON. Pure.

Nothing is fitted on prompts of the reporting half: calibrations see A-calibrate alone.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from annotation.quality.agreement import cohen_kappa
from annotation.quality.bias import Share, clustered
from annotation.quality.figures import clean
from annotation.quality.reliability import Ballots
from annotation.quality.reliability import fit as fit_annotators

from . import calibration
from .biases import Bias, biases, flip_rate
from .calibration import Fitted
from .drift import change_between, change_over_time, grouped, periods
from .scopes import Inferred, descriptive, inferential
from .units import Unit, listed, share, side_of

# A tag has figures of its own from so many pairs with people's labels.
TAG_LABELS = 20
MOST_TAGS = 40
MOST_PEOPLE = 30
GAPS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DOMAIN = "domain:"
Json = dict[str, Any]


@dataclass(frozen=True)
class Calibrations:
    """The judge's calibration over all instances, and per domain where there is enough."""

    overall: Fitted
    domains: dict[str, Fitted]

    def apply(self, units: Sequence[Unit]) -> list[float]:
        """Calibrated P(canonical first) of each unit, by its domain where that has its own."""
        domains = [next((t for t in unit.tags if t in self.domains), "") for unit in units]
        raw, found = np.array([unit.p for unit in units]), np.empty(len(units))
        for domain in set(domains):
            fitted = self.domains.get(domain, self.overall)
            mine = np.array([each == domain for each in domains])
            found[mine] = calibration.apply(fitted.method, fitted.knots, raw[mine])
        values: list[float] = found.tolist()
        return values


def calibrate(units: Sequence[Unit]) -> Calibrations:
    """Fit on A-calibrate."""
    known = a_calibrate(units)
    counted = Counter(tag for unit in known for tag in unit.tags if tag.startswith(DOMAIN))
    domains = {
        tag: fitted
        for tag in sorted(counted)
        if (fitted := _fitted([unit for unit in known if tag in unit.tags])).method
        != calibration.IDENTITY
    }
    return Calibrations(_fitted(known), domains)


def a_calibrate(units: Sequence[Unit]) -> list[Unit]:
    """Audited pairs of the half of the prompts that is not reported on, with people's answer."""
    return [
        unit for unit in units if unit.audit and not unit.reporting and unit.plurality is not None
    ]


def accuracy(units: Sequence[Unit]) -> Share | None:
    """How often the judge names the side that people name, on A-calibrate; their tie counts half.

    It is what a hard verdict is worth. None where there is too little to calibrate by.
    """
    known = [unit for unit in a_calibrate(units) if unit.side]
    prompts = {unit.prompt for unit in known}
    if len(known) < calibration.FEWEST_LABELS or len(prompts) < calibration.FEWEST_PROMPTS:
        return None
    return clustered([(unit.prompt, (1 + unit.side * (unit.plurality or 0)) / 2) for unit in known])


def _fitted(units: Sequence[Unit]) -> Fitted:
    return calibration.fit(
        [unit.p for unit in units], [_truth(unit) for unit in units], [u.prompt for u in units]
    )


def _truth(unit: Unit) -> float:
    return ((unit.plurality or 0) + 1) / 2


def figures_of(
    units: Sequence[Unit],
    calibrations: Calibrations,
    *,
    family: str,
    coverage: float,
    runs: Mapping[int, str],
    guidelines: Mapping[int, str],
) -> Json:
    """Everything about one judge and one criterion.

    Args:
        runs, guidelines: names of the ids that units carry.
    """
    p = calibrations.apply(units)
    confidence = {
        unit: max(each, 1 - each) if unit.side else 0.5 for unit, each in zip(units, p, strict=True)
    }
    found: Json = clean(
        {
            "labels": len(units),
            "instances": len({unit.instance for unit in units}),
            "prompts": len({unit.prompt for unit in units}),
            "coverage": coverage,
            "all": descriptive(units),
            "report": _inferred(inferential(units, confidence, coverage=coverage)),
            "calibration": _calibration(calibrations.overall, units),
            "domains": {
                tag: {**_method(fitted), "before": fitted.before, "after": fitted.after}
                for tag, fitted in calibrations.domains.items()
            },
            "reliability": _reliability(units),
            "reported": _reported(units, p),
            "biases": [_bias(bias) for bias in biases(units, family)],
            "consistency": consistency(units),
            "tags": _tags(units),
            "drift": _drift(units, runs, guidelines),
        }
    )
    return found


def _inferred(found: Inferred) -> Json:
    return {**asdict(found), "few_prompts": found.few_prompts}


def _method(fitted: Fitted) -> Json:
    return {
        "method": fitted.method,
        "labels": fitted.labels,
        "prompts": fitted.prompts,
        "why": fitted.why,
    }


def _calibration(fitted: Fitted, units: Sequence[Unit]) -> Json:
    return {
        **_method(fitted),
        "before": fitted.before,
        "after": fitted.after,
        "before_bins": [asdict(each) | {"rows": None} for each in fitted.before_bins],
        "after_bins": [asdict(each) | {"rows": None} for each in fitted.after_bins],
    }


def _reliability(units: Sequence[Unit]) -> Json | None:
    """Raw confidence against people on all dual-labelled pairs, with the instances of each bin."""
    known = [unit for unit in units if unit.plurality is not None]
    if not known:
        return None
    p, y = np.array([unit.p for unit in known]), np.array([_truth(unit) for unit in known])
    ece, low, high = calibration.ece_of(p, y, [unit.prompt for unit in known])
    return {
        "ece": ece,
        "low": low,
        "high": high,
        "brier": calibration.brier_of(p, y),
        "labels": len(known),
        "bins": [
            {
                "confidence": each.confidence,
                "right": share((known[row].prompt, _right(known[row])) for row in each.rows),
                "labels": each.labels,
                "behind": listed(known[row].instance for row in each.rows),
            }
            for each in calibration.bins_of(p, y)
        ],
    }


def _right(unit: Unit) -> float:
    return 0.5 if unit.plurality == 0 or not unit.side else float(unit.plurality == unit.side)


def _reported(units: Sequence[Unit], p: Sequence[float]) -> Json | None:
    """Raw and calibrated on A-report, of which the calibration has seen nothing."""
    rows = [
        (unit, after)
        for unit, after in zip(units, p, strict=True)
        if unit.audit and unit.reporting and unit.plurality is not None
    ]
    if not rows:
        return None
    y, prompts = np.array([_truth(u) for u, _ in rows]), [u.prompt for u, _ in rows]
    found = {}
    for name, values in (("before", [u.p for u, _ in rows]), ("after", [a for _, a in rows])):
        given = np.array(values)
        error = calibration.Error(
            *calibration.ece_of(given, y, prompts), calibration.brier_of(given, y)
        )
        found[name] = error
    return {**found, "labels": len(rows), "prompts": len(set(prompts))}


def _bias(bias: Bias) -> Json:
    return {**asdict(bias), "can_tell": bias.can_tell}


def consistency(units: Sequence[Unit]) -> Json:
    """How often the two orders disagree, and how far apart they are."""
    gaps = [unit.gap for unit in units if unit.gap is not None]
    edges = (-1e-9, *GAPS)
    return {
        "flips": flip_rate(units),
        "labels": len(gaps),
        "median": float(np.median(gaps)) if gaps else None,
        "most": float(np.quantile(gaps, 0.9)) if gaps else None,
        "gaps": [
            [high, sum(low < gap <= high for gap in gaps)]
            for low, high in zip(edges, GAPS, strict=False)
        ],
    }


def _tags(units: Sequence[Unit]) -> list[Json]:
    """Subgroups with enough people's labels, most labels first."""
    found: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        for tag in unit.tags:
            found[tag].append(unit)
    rows = [_tag(tag, mine) for tag, mine in found.items()]
    rows = [row for row in rows if row["pairs"] >= TAG_LABELS]
    return sorted(rows, key=lambda row: -row["labels"])[:MOST_TAGS]


def _tag(tag: str, units: Sequence[Unit]) -> Json:
    known = [unit for unit in units if unit.plurality is not None]
    strict = [unit for unit in known if unit.plurality and unit.side]
    found = consistency(units)
    return {
        "tag": tag,
        "labels": len(units),
        "pairs": len(known),
        "exact": share((u.prompt, float(u.plurality == u.side)) for u in known),
        "strict": share((u.prompt, float(u.plurality == u.side)) for u in strict),
        "flips": found["flips"],
        "median": found["median"],
        "most": found["most"],
        "behind": listed(u.instance for u in strict if u.plurality != u.side),
    }


def _drift(units: Sequence[Unit], runs: Mapping[int, str], guidelines: Mapping[int, str]) -> Json:
    by_run = grouped(units, [unit.run for unit in units])
    by_guideline = grouped(units, [unit.guideline for unit in units])
    return {
        "periods": periods(units),
        "change": change_over_time(units),
        "runs": _named(by_run, runs),
        "runs_test": change_between({key: each.agree for key, each in by_run}),
        "guidelines": _named(by_guideline, guidelines),
        "guidelines_test": change_between({key: each.agree for key, each in by_guideline}),
    }


def _named(groups: Sequence[tuple[Hashable, Any]], names: Mapping[int, str]) -> list[Json]:
    return [
        asdict(replace(each, name=names.get(key, "") if isinstance(key, int) else ""))
        for key, each in groups
    ]


def panel_of(units: Mapping[int, Sequence[Unit]], model: str) -> list[Unit]:
    """The judges together as one more judge: what the model of annotators says of each pair.

    Pairs that two judges or more decided. p is the model's posterior. Verdicts are votes, as
    people's are: a share of a vote would count as half a disagreement of a judge with itself, and
    with few judges the model would come to believe that nobody knows anything.
    """
    given: dict[tuple[int, tuple[int, int]], list[tuple[int, Unit]]] = defaultdict(list)
    for judge, mine in units.items():
        for unit in mine:
            given[unit.instance, unit.places].append((judge, unit))
    shared = [found for found in given.values() if len(found) > 1]
    if not shared:
        return []
    rows = [
        (code, judge, (unit.side + 1) / 2, None, unit.side == 0)
        for code, found in enumerate(shared)
        for judge, unit in found
    ]
    posterior = fit_annotators(Ballots.of(rows), model=model).posterior
    return [
        replace(
            found[0][1],
            p=float(p),
            side=side_of(float(p)),
            replies=(),
            flipped=None,
            gap=None,
            run=None,
        )
        for found, p in zip(shared, posterior, strict=True)
    ]


def matrix_of(
    units: Mapping[str, Sequence[Unit]],
    people: Mapping[tuple[int, tuple[int, int]], Sequence[tuple[int, float]]],
) -> list[Json]:
    """Judges (columns, by name) against everybody: each person, and each other judge.

    A row per annotator: `who` is an annotator's id or a judge's name, with a cell per judge they
    share pairs with: pairs, the share exactly the same, and where neither says tie, and κ.
    """
    said = {
        name: {(unit.instance, unit.places): unit.side for unit in mine}
        for name, mine in units.items()
    }
    given: dict[int | str, dict[tuple[int, tuple[int, int]], int]] = defaultdict(dict)
    for key, shares in people.items():
        for annotator, first in shares:
            given[annotator][key] = side_of(first)
    rows: list[Json] = []
    for who, theirs in [*given.items(), *said.items()]:
        cells = {
            name: cell
            for name, mine in said.items()
            if name != who and (cell := _cell(mine, theirs)) is not None
        }
        if cells:
            kind = "judge" if isinstance(who, str) else "person"
            rows.append({"who": who, "kind": kind, "labels": len(theirs), "cells": cells})
    rows.sort(key=lambda row: (row["kind"] == "judge", -row["labels"]))
    persons = [row for row in rows if row["kind"] == "person"]
    found: list[Json] = clean(persons[:MOST_PEOPLE] + rows[len(persons) :])
    return found


def _cell(mine: Mapping[Any, int], theirs: Mapping[Any, int]) -> Json | None:
    smaller, larger = sorted((mine, theirs), key=len)
    shared = [key for key in smaller if key in larger]
    if not shared:
        return None
    pairs = [(mine[key], theirs[key]) for key in shared]
    strict = [pair for pair in pairs if 0 not in pair]
    return {
        "pairs": len(pairs),
        "exact": sum(a == b for a, b in pairs) / len(pairs),
        "strict": sum(a == b for a, b in strict) / len(strict) if strict else None,
        "strict_pairs": len(strict),
        "kappa": cohen_kappa([a for a, _ in pairs], [b for _, b in pairs]),
    }
