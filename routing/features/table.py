"""A table of instance features: the one shape that extractors, routers and the lab exchange."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from core.exceptions import InvalidInput

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Prefixes of features that are known only after a judge or a reward model has labelled.
JUDGED = ("judge_", "panel_", "strong_", "reward_")
# Between the values of a tag that an instance has several of: "biology|chemistry".
SEVERAL = "|"


def tag_values(given: str) -> list[str]:
    """The values in one entry of a category; none where the tag is missing."""
    return [value for value in given.split(SEVERAL) if value]


def joined(values: Iterable[str]) -> str:
    """One entry of a category: the values in alphabetical order, each once."""
    return SEVERAL.join(sorted({value.replace(SEVERAL, "/") for value in values if value}))


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """`values` is (n, len(names)), NaN where unknown; `categories` maps a tag to n values or "".

    An instance may have several values of a tag, joined by `SEVERAL` (`tag_values` takes them
    apart): one text each keeps a million of them small and comparable. Names that start with one
    of `JUDGED` are known only after a judge has labelled.
    """

    names: tuple[str, ...]
    values: Floats
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise InvalidInput(
                f"A feature table of {len(self.names)} names needs values of shape "
                f"(instances, {len(self.names)}), not {self.values.shape}."
            )
        for name, tags in self.categories.items():
            if len(tags) != len(self.values):
                raise InvalidInput(
                    f"'{name}' has {len(tags)} tags for {len(self.values)} instances."
                )

    def __len__(self) -> int:
        return len(self.values)

    def take(self, chosen: Bools | Ints) -> "FeatureTable":
        rows = np.arange(len(self))[chosen]
        tags = {name: tuple(t[i] for i in rows) for name, t in self.categories.items()}
        return FeatureTable(self.names, self.values[rows], tags)

    def without_judge(self) -> "FeatureTable":
        """The features that are known before any judge has labelled."""
        kept = [i for i, name in enumerate(self.names) if not name.startswith(JUDGED)]
        return FeatureTable(
            tuple(self.names[i] for i in kept), self.values[:, kept], self.categories
        )

    def column(self, name: str) -> Floats | None:
        """The values of one feature, or None when the table does not have it."""
        return self.values[:, self.names.index(name)] if name in self.names else None
