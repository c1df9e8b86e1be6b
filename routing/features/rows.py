"""Filling arrays over many instances from queries of a few thousand each."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import QuerySet
from django.db.models.expressions import Combinable, RawSQL

from core.columns import numbers

from .table import Floats, Ints

# Instances of one query: its list of ids stays small beside what it brings.
CHUNK = 10_000


def among(ids: Sequence[int]) -> RawSQL:
    """For `field__in=`: one array instead of as many parameters, which cost more than the rows."""
    return RawSQL("SELECT unnest(%s::bigint[])", [list(ids)])


class Rows:
    """Instances by id, each at its row. `ids` (n,) are distinct."""

    def __init__(self, ids: Sequence[int] | Ints) -> None:
        self.ids = np.asarray(ids, dtype=np.int64)
        self._order = np.argsort(self.ids)
        self._sorted = self.ids[self._order]

    def __len__(self) -> int:
        return len(self.ids)

    def chunks(self) -> Iterator[list[int]]:
        for start in range(0, len(self.ids), CHUNK):
            yield self.ids[start : start + CHUNK].tolist()

    def of(self, ids: npt.ArrayLike) -> Ints:
        """The rows of ids that are all among these."""
        return np.asarray(self._order[np.searchsorted(self._sorted, np.asarray(ids, np.int64))])

    def fill(self, rows: QuerySet[Any], *wanted: str | Combinable) -> Floats:
        """(n, wanted) numbers of rows with one instance each; NaN where an instance has no row."""
        values = np.full((len(self), len(wanted)), np.nan)
        for chunk in self.chunks():
            found = numbers(rows.filter(instance__in=among(chunk)), "instance_id", *wanted)
            values[self.of(found[0])] = found[1:].T
        return values
