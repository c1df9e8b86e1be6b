"""Instances that nobody has begun with go elsewhere, and back, in a constant number of queries."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Project
from annotation.queue.models import Arm, Assignment, Destination, Slot, SlotState
from annotation.queue.moving import Move, move
from annotation.queue.services import AssignmentItem, assign
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db


def moved(project: Project, ids: list[int], destination: str, priority: float) -> int:
    """How many queries it took to move all of them."""
    moves = [Move(pk, destination, 0.5, uuid.uuid4(), overlap=2, priority=priority) for pk in ids]
    with CaptureQueriesContext(connection) as queries:
        assert move(project=project, moves=moves) == ids
    return len(queries)


def test_many_move_with_as_many_queries_as_few() -> None:
    project = make_project()
    counts = []
    for size in (2, 9):
        ids = [make_instance(project).pk for _ in range(size)]
        items = [AssignmentItem(pk, Destination.HUMAN, Arm.ROUTED, 1.0) for pk in ids]
        assign(project=project, items=items)
        away = moved(project, ids, Destination.JUDGE, 0.0)
        # One place was there and opens again, the second is made.
        back = moved(project, ids, Destination.HUMAN, 3.0)
        counts.append((away, back))
        places = Slot.objects.filter(instance__in=ids)
        decisions = dict(Assignment.objects.values_list("instance", "decision_id"))
        assert places.count() == 2 * size
        for place in places:
            assert (place.state, place.priority) == (SlotState.OPEN, 3.0)
            assert place.decision_id == decisions[place.instance_id]
    assert counts[0] == counts[1]
