"""The name of the first decision about an instance is known before it is made.

A judge that is asked before the router decides labels under this name, and no instance can be
given a first decision twice.
"""

import uuid
from collections.abc import Sequence

from annotation.queue.models import Assignment

NAMESPACE = uuid.UUID("5b1d3c0e-9d0a-4d0f-8f3e-2f6c7d1b9a44")


def first_decision(instance_id: int) -> uuid.UUID:
    return uuid.uuid5(NAMESPACE, str(instance_id))


def decisions_about(instance_ids: Sequence[int]) -> dict[int, uuid.UUID]:
    """By instance the decision it is under, or will be. One query."""
    rows = Assignment.objects.filter(instance__in=instance_ids, decision_id__isnull=False)
    standing = dict(rows.values_list("instance_id", "decision_id"))
    return {pk: standing.get(pk) or first_decision(pk) for pk in instance_ids}
