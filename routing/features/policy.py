"""What the policy in training says of instances: read where an import or a training run left it.

`policy_entropy` is the predictive entropy of the prompt, in nats; `implicit_margin` the gap of the
implicit rewards of the first and second completion. Whoever trains the policy writes them as
numbers of the same name into the instance's metadata (an import of the same instances updates
them), or as signals; of both the signal counts, the newest version.
"""

from collections.abc import Sequence

import numpy as np
from django.db.models.fields.json import KeyTransform

from annotation.instances.models import Instance, Signal

from .rows import CHUNK, Rows, among
from .table import Floats

ENTROPY, MARGIN = "policy_entropy", "implicit_margin"


def policy_columns(ids: Sequence[int]) -> dict[str, Floats]:
    """`policy_entropy` and `implicit_margin`, each (n,), NaN where unknown. Four queries for
    every 10,000 instances."""
    rows = Rows(ids)
    return {name: _column(rows, name) for name in (ENTROPY, MARGIN)}


def _column(rows: Rows, name: str) -> Floats:
    values = np.full(len(rows), np.nan)
    known = rows.ids.tolist()
    for start in range(0, len(known), CHUNK):
        chunk = among(known[start : start + CHUNK])
        given = Instance.objects.filter(pk__in=chunk, **{f"metadata__{name}__isnull": False})
        said = Signal.objects.filter(instance__in=chunk, name=name).order_by("pk")
        found = dict(given.values_list("pk", KeyTransform(name, "metadata")))
        # A number in words is no number, and neither is true.
        numbers = {pk: v for pk, v in found.items() if type(v) in {int, float} and abs(v) < 1e9}
        numbers |= dict(said.values_list("instance_id", "value"))
        if numbers:
            values[rows.of(list(numbers))] = list(numbers.values())
    return values
