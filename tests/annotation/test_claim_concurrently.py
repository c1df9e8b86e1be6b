"""Many people at once: nothing is collected twice, and nobody waits for ever."""

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from annotation.labels.models import Annotation, Annotator
from annotation.labels.services import Answer, submit
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from tests.factories import make_annotator, make_instance, make_project

# Real threads with connections of their own: each commits for itself.
pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE, INSTANCES, OVERLAP = 8, 50, 2


def closing(work: Callable[[], int]) -> int:
    try:
        return work()
    finally:
        connection.close()


def label_all(annotator: Annotator) -> int:
    """Claim and submit until nothing is left for this person; returns how many they did."""
    done = 0
    while (slot := claim(project=annotator.project, annotator=annotator)) is not None:
        submit(
            slot_key=slot.key,
            annotator=annotator,
            client_id=uuid.uuid4(),
            answers=[Answer("overall", [1, 2])],
        )
        done += 1
    return done


def in_threads(*work: Callable[[], int]) -> list[int]:
    with ThreadPoolExecutor(len(work)) as pool:
        return [each.result(timeout=120) for each in [pool.submit(closing, one) for one in work]]


def test_eight_people_fill_a_hundred_slots_exactly() -> None:
    project = make_project()
    items = [
        AssignmentItem(make_instance(project).pk, "human", "routed", 1.0, OVERLAP)
        for _ in range(INSTANCES)
    ]
    assign(project=project, items=items)
    people = [make_annotator(project) for _ in range(PEOPLE)]
    done = in_threads(*[lambda person=person: label_all(person) for person in people])

    assert sum(done) == INSTANCES * OVERLAP
    assert not Slot.objects.exclude(state=SlotState.SUBMITTED).exists()
    labels = Annotation.objects.values_list("instance_id", "annotator_id")
    assert set(Counter(instance for instance, _ in labels).values()) == {OVERLAP}
    assert max(Counter(labels).values()) == 1


def test_one_person_in_eight_tabs_gets_one_lease() -> None:
    project = make_project()
    items = [
        AssignmentItem(make_instance(project).pk, "human", "routed", 1.0, OVERLAP)
        for _ in range(10)
    ]
    assign(project=project, items=items)
    person = make_annotator(project)

    def one_tab() -> int:
        slot = claim(project=project, annotator=person, resume=True)
        assert slot is not None
        return slot.pk

    assert len(set(in_threads(*[one_tab] * 8))) == 1
    assert Slot.objects.filter(annotator=person).count() == 1


def test_the_same_submit_sent_eight_times_at_once_is_one_label() -> None:
    project = make_project()
    assign(
        project=project,
        items=[AssignmentItem(make_instance(project).pk, "human", "routed", 1.0, 2)],
    )
    person = make_annotator(project)
    slot = claim(project=project, annotator=person)
    assert slot is not None
    client_id = uuid.uuid4()

    def send() -> int:
        (row,) = submit(
            slot_key=slot.key,
            annotator=person,
            client_id=client_id,
            answers=[Answer("overall", [2, 1])],
        )
        return row.pk

    assert len(set(in_threads(*[send] * 8))) == 1
    assert Annotation.objects.count() == 1
