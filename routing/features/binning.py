"""Cut features into a few 0/1 columns whose names can be read aloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core.exceptions import InvalidInput
from routing.features.table import JUDGED, FeatureTable, Floats, Ints

# The three bins of a feature, low to high, in words.
WORDS: Mapping[str, tuple[str, str, str]] = {
    "prompt_tokens": ("prompt short", "prompt of middle length", "prompt long"),
    "shorter_tokens": (
        "shorter completion very short",
        "shorter completion of middle length",
        "shorter completion long",
    ),
    "longer_tokens": (
        "longer completion short",
        "longer completion of middle length",
        "longer completion very long",
    ),
    "token_difference": (
        "completions nearly equal in length",
        "completions differ somewhat in length",
        "completions differ much in length",
    ),
    "rouge1_f": (
        "completions share few words",
        "completions share some words",
        "completions share many words",
    ),
    "entity_overlap": (
        "completions name different things",
        "completions name partly the same things",
        "completions name the same things",
    ),
    "embedding_cosine": (
        "completions differ in meaning",
        "completions similar in meaning",
        "completions nearly the same in meaning",
    ),
    "judge_confidence": ("judge unsure", "judge fairly sure", "judge sure"),
}
# Features of two values, no and yes.
FLAGS: Mapping[str, tuple[str, str]] = {
    "judge_flip": (
        "judge keeps its verdict when the order is swapped",
        "judge flips when the order is swapped",
    ),
    "panel_disagreement": ("other judges agree", "other judges disagree"),
}
# Similarities and confidences are cut by value, everything else by percentile.
BY_VALUE = frozenset({"rouge1_f", "entity_overlap", "embedding_cosine", "judge_confidence"})
# A tag seen less often on the seed says too little to get a column of its own.
MINIMUM_TAGGED = 3


@dataclass(frozen=True)
class Cut:
    """One feature: bin i covers [edges[i−1], edges[i]); `words` has one entry for each bin."""

    feature: str
    edges: tuple[float, ...]
    words: tuple[str, ...]

    def bins(self, values: Floats) -> Ints:
        """(n,) the bin of each value, −1 where the value is unknown."""
        found = np.searchsorted(np.array(self.edges), values, side="right").astype(np.int64)
        return np.where(np.isnan(values), -1, found)


@dataclass(frozen=True)
class Binning:
    """Cut points fitted on a seed. `dropped` says in words which features could not be cut."""

    cuts: tuple[Cut, ...]
    tags: tuple[tuple[str, tuple[str, ...]], ...]
    dropped: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in words, in the order of `one_hot`."""
        cut = [word for cut in self.cuts for word in cut.words]
        return (*cut, *(f"{name}: {value}" for name, values in self.tags for value in values))

    @property
    def groups(self) -> Ints:
        """(columns,) the number of the feature each column belongs to."""
        sizes = [len(cut.words) for cut in self.cuts] + [len(values) for _, values in self.tags]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def reads_judge(self) -> bool:
        """Whether the columns are known only after a judge has labelled."""
        return any(cut.feature.startswith(JUDGED) for cut in self.cuts)

    def one_hot(self, table: FeatureTable) -> npt.NDArray[np.uint8]:
        """(n, columns) 0/1. An unknown value or a tag not seen on the seed fires no column."""
        blocks = [_fire(cut.bins(self._values(table, cut)), len(cut.words)) for cut in self.cuts]
        for name, values in self.tags:
            given = table.categories.get(name, ("",) * len(table))
            place = {value: i for i, value in enumerate(values)}
            blocks.append(_fire(np.array([place.get(tag, -1) for tag in given]), len(values)))
        return np.hstack(blocks) if blocks else np.zeros((len(table), 0), np.uint8)

    @staticmethod
    def _values(table: FeatureTable, cut: Cut) -> Floats:
        values = table.column(cut.feature)
        return np.full(len(table), np.nan) if values is None else values

    def to_json(self) -> dict[str, Any]:
        return {
            "cuts": [
                {"feature": c.feature, "edges": list(c.edges), "words": list(c.words)}
                for c in self.cuts
            ],
            "tags": {name: list(values) for name, values in self.tags},
            "dropped": list(self.dropped),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            tuple(Cut(c["feature"], tuple(c["edges"]), tuple(c["words"])) for c in stored["cuts"]),
            tuple((name, tuple(values)) for name, values in stored["tags"].items()),
            tuple(stored["dropped"]),
        )


def fit(table: FeatureTable) -> Binning:
    """Cut points from `table`, which must be the seed only.

    Three bins a feature: lengths at the seed's 33rd and 67th percentile, similarities and
    confidences at thirds of the seed's value range, flags as no and yes. Bins that no seed
    instance falls into are merged with their neighbour; a feature left with one bin is dropped.
    """
    if not len(table):
        raise InvalidInput("Bins cannot be fitted without instances: label a seed first.")
    cuts, dropped = [], []
    for name in table.names:
        cut = _cut(name, table.values[:, table.names.index(name)])
        if cut is None:
            dropped.append(f"{name} is the same everywhere on the seed")
        else:
            cuts.append(cut)
    tags = []
    for name, given in table.categories.items():
        values = _frequent(given)
        if len(values) > 1:
            tags.append((name, values))
        else:
            dropped.append(f"{name} has fewer than two frequent values on the seed")
    return Binning(tuple(cuts), tuple(tags), tuple(dropped))


def _cut(name: str, values: Floats) -> Cut | None:
    known = values[~np.isnan(values)]
    if not len(known) or known.min() == known.max():
        return None
    if name in FLAGS:
        return Cut(name, (0.5,), FLAGS[name])
    if name in BY_VALUE:
        low, high = float(known.min()), float(known.max())
        edges = [low + (high - low) / 3, low + 2 * (high - low) / 3]
    else:
        edges = [float(edge) for edge in np.quantile(known, (1 / 3, 2 / 3))]
    words = list(WORDS.get(name, tuple(f"{name} {size}" for size in ("low", "middle", "high"))))
    return _merge_empty(Cut(name, tuple(edges), tuple(words)), known)


def _merge_empty(cut: Cut, known: Floats) -> Cut | None:
    """Leave out the bins without a seed value: their range falls to the bin below, or above."""
    filled = sorted(set(cut.bins(known).tolist()))
    if len(filled) < 2:
        return None
    # The lower edge of each kept bin but the first.
    edges = tuple(cut.edges[i - 1] for i in filled[1:])
    return Cut(cut.feature, edges, tuple(cut.words[i] for i in filled))


def _frequent(given: Sequence[str]) -> tuple[str, ...]:
    values, counts = np.unique(np.array(given, dtype=str), return_counts=True)
    return tuple(str(v) for v, c in zip(values, counts, strict=True) if v and c >= MINIMUM_TAGGED)


def _fire(bins: Ints, size: int) -> npt.NDArray[np.uint8]:
    return np.asarray(bins[:, None] == np.arange(size), dtype=np.uint8)
