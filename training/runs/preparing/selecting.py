"""Which rows survive the filters, counted step by step, and what each weighs."""

from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .candidates import agreement_of, pairs_of
from .options import Band, DataOptions

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
# By external id the values of one signal; ids without one are missing.
Lookup = Callable[[list[str], str], Mapping[str, float]]
WINDOW = 5000


class Step(NamedTuple):
    """After a filter: how many pairs are left (rows, where completions stand alone)."""

    name: str
    left: int
    rows: int


@dataclass(frozen=True)
class Preview:
    """What a run would train on. `steps` begins with everything the split has."""

    rows: int
    pairs: int
    prompts: int
    steps: tuple[Step, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "pairs": self.pairs,
            "prompts": self.prompts,
            "steps": [step._asdict() for step in self.steps],
        }


@dataclass(frozen=True, eq=False)
class Selection:
    """Of all n candidate rows: kept, weight, and the signals that were read; each is (n,)."""

    preview: Preview
    kept: Bools
    weight: Floats
    signals: Mapping[str, Floats]


def select(rows: Iterable[dict[str, Any]], options: DataOptions, lookup: Lookup) -> Selection:
    """Apply the filters one after another. Memory: some tens of bytes a row."""
    facts = _Facts(options, lookup)
    for row in rows:
        facts.add(row)
    return facts.selection()


class _Facts:
    """Numbers by row, gathered in one pass."""

    def __init__(self, options: DataOptions, lookup: Lookup) -> None:
        self.options, self.lookup = options, lookup
        self.ids: list[str] = []
        self.prompts = array("q")
        self.pairs = array("q")
        self.agreement = array("d")
        self.weight = array("d")
        self.sourced = array("b")
        self.tagged = array("b")
        self.signals = {name: array("d") for name in options.filters.read}

    def add(self, row: dict[str, Any]) -> None:
        filters = self.options.filters
        self.prompts.append(hash(row["prompt_hash"]))
        self.pairs.append(pairs_of(row))
        self.agreement.append(agreement_of(row))
        self.sourced.append(not filters.sources or row["source"] in filters.sources)
        tags = set(row["tags"])
        self.tagged.append(
            (not filters.tags or bool(tags & set(filters.tags))) and not tags & set(filters.without)
        )
        self.weight.append(self._weight(row))
        if self.signals:
            self.ids.append(row["instance_id"])
            if len(self.ids) == WINDOW:
                self._read()

    def _weight(self, row: Mapping[str, Any]) -> float:
        weight = float(row["weight"])
        if self.options.weight_by == "propensity":
            return weight / (row["propensity"] or 1.0)
        if self.options.weight_by == "agreement":
            share = self.agreement[-1]
            return weight if np.isnan(share) else weight * max(0.0, 2 * share - 1)
        return weight

    def _read(self) -> None:
        for name, values in self.signals.items():
            found = self.lookup(self.ids, name)
            values.extend(found.get(each, np.nan) for each in self.ids)
        self.ids = []

    def selection(self) -> Selection:
        self._read()
        kept = np.ones(len(self.prompts), bool)
        pairs, prompts = np.array(self.pairs, np.int64), np.array(self.prompts, np.int64)
        signals = {name: np.array(values) for name, values in self.signals.items()}
        alone = not pairs.any()

        def step(name: str) -> Step:
            rows = int(kept.sum())
            return Step(name, rows if alone else int(pairs[kept].sum()), rows)

        steps = [step("all")]
        for name, mask in self._masks(signals):
            kept &= mask
            steps.append(step(name))
        preview = Preview(
            rows=int(kept.sum()),
            pairs=int(pairs[kept].sum()),
            prompts=len(np.unique(prompts[kept])),
            steps=tuple(steps),
        )
        return Selection(preview, kept, self._weights(kept), signals)

    def _masks(self, signals: Mapping[str, Floats]) -> Iterable[tuple[str, Bools]]:
        filters = self.options.filters
        if filters.sources:
            yield "sources", np.array(self.sourced, bool)
        if filters.tags or filters.without:
            yield "tags", np.array(self.tagged, bool)
        unknown = filters.unknown == "keep"
        if filters.agreement is not None:
            yield "agreement", within(np.array(self.agreement), filters.agreement, unknown)
        for name, band in filters.signals.items():
            yield name, within(signals[name], band, unknown)
        if filters.hardest:
            yield "hardest", _easier(signals["difficulty"], filters.hardest, unknown)

    def _weights(self, kept: Bools) -> Floats:
        """Capped, and of mean 1 over the rows that are kept: the learning rate keeps its sense."""
        weight = np.array(self.weight, np.float64)
        if self.options.weight_by == "none" or not kept.any():
            return weight
        weight = np.minimum(weight, self.options.weight_cap)
        mean = float(weight[kept].mean())
        return np.asarray(weight / mean) if mean > 0 else np.ones_like(weight)


def within(values: Floats, band: Band, unknown: bool) -> Bools:
    """Where low ≤ value ≤ high; `unknown` is the answer for NaN."""
    low, high = band
    inside = (values >= (-np.inf if low is None else low)) & (
        values <= (np.inf if high is None else high)
    )
    return np.asarray(np.where(np.isnan(values), unknown, inside), bool)


def _easier(values: Floats, share: float, unknown: bool) -> Bools:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.full(len(values), unknown)
    return within(values, (None, float(np.quantile(known, 1 - share))), unknown)
