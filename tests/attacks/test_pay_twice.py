"""Hours that nobody worked: the page's figure comes from outside."""

import time
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from annotation.labels.models import Annotator
from annotation.labels.revising import revise
from annotation.labels.services import Answer, submit
from annotation.queue.models import Slot
from annotation.workforce import payments, selectors
from tests.factories import make_annotator, make_instance, make_project, make_slot, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user()


@pytest.fixture
def person(owner: User) -> Annotator:
    project = make_project(owner=owner)
    payments.add_rate(
        project=project,
        actor=owner,
        basis="hour",
        micros=36_000_000,
        currency="EUR",
        valid_from=timezone.now() - timedelta(days=1),
    )
    return make_annotator(project)


def label(person: Annotator) -> Slot:
    """One instance, an hour in hand, worked on for ten minutes."""
    since = timezone.now() - timedelta(hours=1)
    slot = make_slot(make_instance(person.project), person, leased_at=since)
    submit(
        slot_key=slot.key,
        annotator=person,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [1, 2])],
        seconds=600,
    )
    return slot


def change(slot: Slot, person: Annotator, seconds: float) -> None:
    revise(
        slot_key=slot.key,
        annotator=person,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [2, 1])],
        seconds=seconds,
    )


def test_changes_one_after_the_other_are_paid_for_the_time_between_them(person: Annotator) -> None:
    """Ten minutes claimed for each of twenty changes that took no time at all."""
    slots = [label(person) for _ in range(4)]
    for _ in range(5):
        for slot in slots:
            change(slot, person, 600)
    payments.derive(project=person.project)
    (owed,) = selectors.owed(person.project)
    assert 4 * 600 <= owed.seconds < 4 * 600 + 60


def test_the_time_of_a_change_is_paid(person: Annotator) -> None:
    slot = label(person)
    time.sleep(0.2)
    change(slot, person, 0.1)
    payments.derive(project=person.project)
    (owed,) = selectors.owed(person.project)
    assert round(owed.seconds, 3) == 600.1
