"""One label source and what its preferences go with: coefficients, and how well they foretell
labels on prompts they have not seen. Pure: NumPy."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from annotation.judges.report.units import Effect, listed, mean, share

from .factors import KEYS
from .regression import (
    Coefficient,
    Floats,
    coefficients,
    contrast,
    fit,
    separation,
    sigmoid,
)
from .units import FEWEST_PROMPTS, POSITION, Table

Json = dict[str, Any]

# Fewer decided labels, or labels on fewer instances, and nothing is fitted.
FEWEST_LABELS, FEWEST_PAIRS = 60, 20
# A factor in which fewer labelled pairs differ is too rare to say anything of.
FEWEST_DIFFER = 20
FOLDS = 5
MOST_PRINCIPLES = 5
MOST_DOMAINS = 12
MOST_BEHIND = 60
LENGTH = KEYS.index("length")


def why_not(table: Table) -> str:
    """A word for why nothing can be fitted; blank where it can."""
    if table.decided < FEWEST_LABELS:
        return "few labels"
    if len(np.unique(table.instance)) < FEWEST_PAIRS:
        return "few instances"
    return ""


def explain(table: Table) -> Json:
    """Everything about one source on one criterion, as JSON can hold it after `clean`."""
    facts: Json = {
        "labels": len(table),
        "decided": table.decided,
        "ties": len(table) - table.decided,
        "prompts": table.prompts,
        "few_prompts": table.prompts < FEWEST_PROMPTS,
        "refused": why_not(table),
    }
    if facts["refused"]:
        return facts
    active = usable(table)
    rows = _coefficients(table, active)
    held = _with_generators(table, active)
    facts["coefficients"] = [
        asdict(row)
        | {"held": held.get(row.key), "chance_if": _chance_if(row)}
        | behind(table, row.key, row.value)
        for row in rows
    ]
    facts["rare"] = [key for place, key in enumerate(KEYS) if place not in active]
    facts["foretells"] = foretells(table, active)
    facts["principles"] = principles(table, active, rows)
    facts["domains"] = domains(table)
    return facts


def usable(table: Table) -> list[int]:
    """The factors in which enough labelled pairs differ."""
    differ = (np.abs(table.differences) > 1e-9).sum(axis=0)
    return [place for place in range(len(KEYS)) if differ[place] >= FEWEST_DIFFER]


def design_of(table: Table, active: Sequence[int]) -> tuple[list[str], Floats]:
    """Names and columns: the factors, and the position on the screen where it is known."""
    names = [KEYS[place] for place in active]
    design = table.differences[:, list(active)]
    if np.abs(table.shown).sum() < FEWEST_DIFFER:
        return names, design
    return [*names, POSITION], np.column_stack([design, table.shown])


def _coefficients(table: Table, active: Sequence[int]) -> list[Coefficient]:
    names, design = design_of(table, active)
    found = fit(design, table.y, table.cluster)
    return coefficients(names, found, separation(design, table.y))


def _with_generators(table: Table, active: Sequence[int]) -> dict[str, Json]:
    """The coefficients with a strength per generator beside them: what a factor says between
    completions of generators that are as good."""
    controls = table.controls
    if controls.shape[1] < 2:
        return {}
    names, design = design_of(table, active)
    found = fit(np.column_stack([design, controls]), table.y, table.cluster)
    apart = [*separation(design, table.y), *([False] * controls.shape[1])]
    rows = coefficients([*names, *("" for _ in range(controls.shape[1]))], found, apart)
    return {
        row.key: {"value": row.value, "low": row.low, "high": row.high}
        for row in rows[: len(names)]
    }


def _chance_if(row: Coefficient) -> float:
    """P(first preferred) where it has one standard deviation more and all else is equal."""
    return float(sigmoid(np.array([row.value]))[0])


def behind(table: Table, key: str, value: float) -> Json:
    """The instances with the widest difference, decided with the factor and against it."""
    column = table.shown if key == POSITION else table.differences[:, KEYS.index(key)]
    lean = np.sign(table.y - 0.5) * np.sign(column) * (1.0 if value >= 0 else -1.0)
    order = np.argsort(-np.abs(column), kind="stable")
    with_it = (int(table.instance[row]) for row in order if lean[row] > 0)
    against = (int(table.instance[row]) for row in order if lean[row] < 0)
    return {
        "with": listed(with_it)[:MOST_BEHIND],
        "against": listed(against)[:MOST_BEHIND],
        "decided_with": int((lean > 0).sum()),
        "decided_against": int((lean < 0).sum()),
    }


def folds(table: Table) -> Floats:
    """(n,) the fold of each row; a prompt never crosses, and the same data fall the same way."""
    return np.array([zlib.crc32(b"%d" % code) % FOLDS for code in table.prompt], dtype=np.float64)


def foretells(table: Table, active: Sequence[int]) -> Json:
    """The share of decided labels named right on held-out prompts: by all factors, by length
    alone, by "the longer wins", and by always the same side; and what the factors gain on length.
    """
    _, design = design_of(table, active)
    everything = _held_out(table, lambda _train: design)
    lengths = table.differences[:, [LENGTH]]
    length = _held_out(table, lambda _train: lengths)
    decided = np.abs(table.y - 0.5) > 1e-9
    first = float(np.mean(table.y[decided] > 0.5))
    longer = 0.5 + np.sign(lengths[:, 0]) * np.sign(table.y - 0.5) / 2
    return {
        "factors": _share(table, everything, decided),
        "length": _share(table, length, decided),
        "longer": _share(table, longer, decided),
        "majority": max(first, 1 - first),
        "gain": _difference(table, everything - length, decided),
    }


def _held_out(table: Table, columns: Any) -> Floats:
    """(n,) 1 where the held-out prediction names the label's side, ½ where it names none."""
    fold = folds(table)
    right = np.full(len(table), 0.5)
    for each in range(FOLDS):
        test = fold == each
        if test.all() or not test.any():
            continue
        design = columns(~test)
        weights = fit(design[~test], table.y[~test], table.cluster[~test]).values
        right[test] = 0.5 + np.sign(design[test] @ weights) * np.sign(table.y[test] - 0.5) / 2
    return right


def _share(table: Table, right: Floats, rows: Any) -> Json | None:
    found = share(zip(map(str, table.cluster[rows]), right[rows].tolist(), strict=True), null=0.5)
    return plain(found) if found else None


def _difference(table: Table, gained: Floats, rows: Any) -> Json | None:
    found = mean(zip(map(str, table.cluster[rows]), gained[rows].tolist(), strict=True))
    return plain(found) if found else None


def plain(found: Effect) -> Json:
    """An effect without the instances behind it."""
    return {name: value for name, value in asdict(found).items() if name != "behind"}


def principles(table: Table, active: Sequence[int], rows: Sequence[Coefficient]) -> Json:
    """The few strongest factors, and how well they alone name labels on held-out prompts.

    They are chosen again in each fold, on the prompts of the others: else the figure would be of
    labels that had a say in the choice.
    """
    right = _held_out(table, lambda train: _few(table, active, train))
    decided = np.abs(table.y - 0.5) > 1e-9
    chosen = sorted(
        (row for row in rows if row.stands_out and row.key != POSITION),
        key=lambda row: -abs(row.value / (row.high - row.low)),
    )
    return {
        "factors": [[row.key, row.value] for row in chosen[:MOST_PRINCIPLES]],
        "reconstructs": _share(table, right, decided),
    }


def _few(table: Table, active: Sequence[int], train: Any) -> Floats:
    """The columns of the factors with the largest z-values in these rows."""
    mine = table.differences[:, list(active)]
    found = fit(mine[train], table.y[train], table.cluster[train])
    strength = np.abs(found.values) / np.maximum(found.errors, 1e-12)
    best: Floats = mine[:, np.argsort(-strength)[:MOST_PRINCIPLES]]
    return best


def domains(table: Table) -> list[Json]:
    """The same regression within each tag that is frequent enough; tags are the same for both
    completions, so they can change what counts but not decide."""
    counts = Counter(tag for tags in table.tags for tag in set(tags))
    found: list[Json] = []
    for tag, count in counts.most_common(4 * MOST_DOMAINS):
        if count == len(table) or len(found) == MOST_DOMAINS:
            continue
        mine = table.where(np.array([tag in tags for tags in table.tags]))
        if why_not(mine):
            continue
        rows = _coefficients(mine, usable(mine))
        found.append(
            {
                "tag": tag,
                "labels": len(mine),
                "prompts": mine.prompts,
                "coefficients": [asdict(row) for row in rows],
            }
        )
    return found


def compare(people: Table, judge: Table) -> Json | None:
    """Judge minus people per factor, on the pairs that both labelled; None where too few."""
    pairs = {*zip(people.instance.tolist(), people.places, strict=True)} & {
        *zip(judge.instance.tolist(), judge.places, strict=True)
    }
    ours, theirs = (_only(table, pairs) for table in (people, judge))
    if why_not(ours) or why_not(theirs):
        return None
    active = [place for place in usable(ours) if place in usable(theirs)]
    names = [KEYS[place] for place in active]
    fits = [fit(table.differences[:, active], table.y, table.cluster) for table in (ours, theirs)]
    rows = contrast(names, *fits)
    return {
        "pairs": len(pairs),
        "coefficients": [
            asdict(row) | {"people": float(fits[0].values[at]), "judge": float(fits[1].values[at])}
            for at, row in enumerate(rows)
        ],
    }


def _only(table: Table, pairs: set[Any]) -> Table:
    keys = zip(table.instance.tolist(), table.places, strict=True)
    return table.where(np.array([key in pairs for key in keys], dtype=np.bool_))
