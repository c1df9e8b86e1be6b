"""Cut features into a few 0/1 columns whose names can be read aloud."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core.exceptions import InvalidInput
from routing.features.table import JUDGED, FeatureTable, Floats, Ints, tag_values

Bits = npt.NDArray[np.uint8]

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
    "bertscore_f1": (
        "completions say different things word by word",
        "completions say similar things word by word",
        "completions say nearly the same word by word",
    ),
    "bertscore_f1_length": (
        "completions differ in words and length",
        "completions differ somewhat in words and length",
        "completions alike in words and length",
    ),
    "judge_confidence": ("judge unsure", "judge fairly sure", "judge sure"),
    "judge_gap": (
        "judge says the same in both orders",
        "judge wavers between the orders",
        "judge says another thing in the other order",
    ),
    "panel_spread": ("judges of one mind", "judges differ somewhat", "judges far apart"),
    "strong_confidence": (
        "stronger judge unsure",
        "stronger judge fairly sure",
        "stronger judge sure",
    ),
    "reward_margin": ("reward margin small", "reward margin middling", "reward margin large"),
    "reward_variance": (
        "reward models of one mind",
        "reward models differ somewhat",
        "reward models far apart",
    ),
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
BY_VALUE = frozenset(
    {
        "rouge1_f",
        "entity_overlap",
        "embedding_cosine",
        "bertscore_f1",
        "bertscore_f1_length",
        "judge_confidence",
        "judge_gap",
        "panel_spread",
        "strong_confidence",
    }
)
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
    """Cut points fitted on a seed. `dropped` says in words which features give no columns.

    Of features that divide the seed alike the first stands for all: `joint` has, by the name of
    its column, the name that tells what else the column says. An instance may fire several
    columns of a tag.
    """

    cuts: tuple[Cut, ...]
    tags: tuple[tuple[str, tuple[str, ...]], ...]
    dropped: tuple[str, ...]
    joint: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in words, in the order of `one_hot`."""
        return tuple(self.joint.get(name, name) for words in self._words() for name in words)

    @property
    def groups(self) -> Ints:
        """(columns,) the number of the feature each column belongs to."""
        sizes = [len(words) for words in self._words()]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def reads_judge(self) -> bool:
        """Whether the columns are known only after a judge has labelled."""
        return any(cut.feature.startswith(JUDGED) for cut in self.cuts)

    def one_hot(self, table: FeatureTable) -> Bits:
        """(n, columns) 0/1. An unknown value or a tag not seen on the seed fires no column."""
        blocks = self._blocks(table)
        return np.hstack(blocks) if blocks else np.zeros((len(table), 0), np.uint8)

    def _words(self) -> list[tuple[str, ...]]:
        """The names of each feature's columns, joint ones not told."""
        tags = [tuple(f"{name}: {value}" for value in values) for name, values in self.tags]
        return [cut.words for cut in self.cuts] + tags

    def _blocks(self, table: FeatureTable) -> list[Bits]:
        """(n, columns of the feature) 0/1 for each feature."""
        missing = ("",) * len(table)
        return [
            *(_fire(cut.bins(self._values(table, cut)), len(cut.words)) for cut in self.cuts),
            *(_tagged(table.categories.get(name, missing), values) for name, values in self.tags),
        ]

    @staticmethod
    def _values(table: FeatureTable, cut: Cut) -> Floats:
        values = table.column(cut.feature)
        return np.full(len(table), np.nan) if values is None else values

    def joined(self, table: FeatureTable) -> Self:
        """Without the features that divide `table`, the seed, as an earlier one does."""
        first: dict[frozenset[bytes], dict[bytes, str]] = {}
        joint, dropped, kept = dict(self.joint), list(self.dropped), []
        names = [cut.feature for cut in self.cuts] + [name for name, _ in self.tags]
        for name, words, block in zip(names, self._words(), self._blocks(table), strict=True):
            columns = {column.tobytes(): word for column, word in zip(block.T, words, strict=True)}
            same = first.setdefault(frozenset(columns), columns)
            kept.append(same is columns)
            if same is not columns:
                dropped.append(f"{name} divides the seed as “{min(same.values())}” and its like do")
                for column, word in columns.items():
                    joint[same[column]] = f"{joint.get(same[column], same[column])} = {word}"
        return replace(
            self,
            cuts=tuple(cut for cut, keep in zip(self.cuts, kept, strict=False) if keep),
            tags=tuple(
                tag for tag, keep in zip(self.tags, kept[len(self.cuts) :], strict=True) if keep
            ),
            dropped=tuple(dropped),
            joint=joint,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "cuts": [
                {"feature": c.feature, "edges": list(c.edges), "words": list(c.words)}
                for c in self.cuts
            ],
            "tags": {name: list(values) for name, values in self.tags},
            "dropped": list(self.dropped),
            "joint": dict(self.joint),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            tuple(Cut(c["feature"], tuple(c["edges"]), tuple(c["words"])) for c in stored["cuts"]),
            tuple((name, tuple(values)) for name, values in stored["tags"].items()),
            tuple(stored["dropped"]),
            stored.get("joint", {}),
        )


def fit(table: FeatureTable) -> Binning:
    """Cut points from `table`, which must be the seed only.

    Three bins a feature: lengths at the seed's 33rd and 67th percentile, similarities and
    confidences at thirds of the seed's value range, flags as no and yes. Bins that no seed
    instance falls into are merged with their neighbour; a feature left with one bin is dropped.
    A tag has a column for each value that is frequent on the seed; where an instance has no value,
    or one that is not, none of them fires. Features that divide the seed exactly alike would share
    one weight between them, so they become one, under a joint name; what
    is collinear otherwise gets shared weights from ridge.
    """
    if not len(table):
        raise InvalidInput("Bins cannot be fitted without instances: label a seed first.")
    cuts, dropped = [], []
    for name in table.names:
        found = cut(name, table.values[:, table.names.index(name)])
        if found is None:
            known = not np.isnan(table.values[:, table.names.index(name)]).all()
            said = "is the same everywhere on the seed" if known else "is not known on the seed"
            dropped.append(f"{name} {said}")
        else:
            cuts.append(found)
    tags = []
    for name, given in table.categories.items():
        values = _frequent(given)
        if len(values) > 1:
            tags.append((name, values))
        else:
            dropped.append(f"{name} has fewer than two frequent values on the seed")
    return Binning(tuple(cuts), tuple(tags), tuple(dropped)).joined(table)


def cut(name: str, values: Floats) -> Cut | None:
    """The bins of one feature; None where its values are all the same or unknown."""
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
    """The values that at least `MINIMUM_TAGGED` instances have, in alphabetical order."""
    counts: Counter[str] = Counter()
    for entry, count in Counter(given).items():
        for value in tag_values(entry):
            counts[value] += count
    return tuple(sorted(value for value, count in counts.items() if count >= MINIMUM_TAGGED))


def _fire(bins: Ints, size: int) -> Bits:
    return np.asarray(bins[:, None] == np.arange(size), dtype=np.uint8)


def _tagged(given: Sequence[str], values: Sequence[str]) -> Bits:
    """(n, values) 1 where the instance has the value; each distinct entry is read once."""
    entries = {entry: row for row, entry in enumerate(dict.fromkeys(given))}
    held = np.zeros((len(entries), len(values)), np.uint8)
    place = {value: column for column, value in enumerate(values)}
    for entry, row in entries.items():
        for value in tag_values(entry):
            if value in place:
                held[row, place[value]] = 1
    return held[np.array([entries[entry] for entry in given], dtype=np.int64)]
