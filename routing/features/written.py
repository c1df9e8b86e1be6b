"""What a reward model of one's own has written back about instances, as features."""

import numpy as np

from annotation.instances.models import Signal

from .rows import Rows, among
from .table import Floats

NAMES = ("reward_margin", "reward_variance")
# No reward model says more; sums of larger ones would overflow.
LARGEST = 1e9


def written_columns(rows: Rows) -> dict[str, Floats]:
    """`reward_margin` and `reward_variance`, each (n,), NaN where unknown; of several versions the
    newest counts, what is no number or beyond `LARGEST` is unknown, and a name that nothing was
    written under has no column. One query for every 10,000 instances."""
    found = {name: np.full(len(rows), np.nan) for name in NAMES}
    for chunk in rows.chunks():
        stored = Signal.objects.filter(instance__in=among(chunk), name__in=NAMES).order_by("pk")
        values: dict[str, dict[int, float]] = {name: {} for name in NAMES}
        for name, pk, value in stored.values_list("name", "instance_id", "value"):
            if abs(value) <= LARGEST:
                values[name][pk] = value
        for name, known in values.items():
            if known:
                found[name][rows.of(list(known))] = list(known.values())
    return {name: column for name, column in found.items() if not np.isnan(column).all()}
