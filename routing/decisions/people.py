"""What people say of instances, as routers are fitted on it."""

from collections.abc import Sequence

import numpy as np

from annotation.consensus.models import Consensus, Scope
from annotation.projects.models import Criterion
from routing.features.table import Floats


def preferred_by_people(criterion: Criterion, ids: Sequence[int]) -> Floats:
    """(n,) P(first preferred) by people's consensus; NaN where there is none. One query."""
    stored = dict(
        Consensus.objects.filter(
            instance__in=ids, criterion=criterion, scope=Scope.HUMAN
        ).values_list("instance_id", "worth")
    )
    return np.array([stored[pk][0] if pk in stored else np.nan for pk in ids], dtype=np.float64)
