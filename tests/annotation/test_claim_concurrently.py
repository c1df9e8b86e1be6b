"""Many people at once: nothing is collected twice, and nobody waits for ever."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator
from annotation.labels.services import Answer, submit
from annotation.queue.models import Slot, SlotState
from annotation.queue.selectors import open_to
from annotation.queue.services import AssignmentItem, assign, claim, release, skip
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
    # Of two who fill the last two places at once, one sees that the instance is settled.
    assert not Instance.objects.exclude(state=InstanceState.SETTLED).exists()
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


def test_a_claim_that_fails_leaves_its_slot_to_those_who_passed_it() -> None:
    project = make_project()
    items = [AssignmentItem(make_instance(project).pk, "human", "routed", 1.0) for _ in range(3)]
    assign(project=project, items=items)
    failing, other = make_annotator(project), make_annotator(project)
    taken, passed = threading.Event(), threading.Event()

    def fail() -> int:
        with transaction.atomic():
            slot = claim(project=project, annotator=failing)
            assert slot is not None
            taken.set()
            assert passed.wait(60)
            transaction.set_rollback(True)
        return slot.pk

    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(closing, fail)
        assert taken.wait(60)
        second = claim(project=project, annotator=other)
        passed.set()
        first = job.result(timeout=60)
    assert second is not None
    assert second.pk != first
    third = claim(project=project, annotator=other)
    assert third is not None
    assert third.pk == first


def test_nothing_is_out_of_reach_after_much_coming_and_going() -> None:
    """People claim, submit, give back and skip at once; then each gets all that is left."""
    project = make_project()
    items = [
        AssignmentItem(
            make_instance(project).pk, "human", "routed", 1.0, OVERLAP, priority=number % 3
        )
        for number in range(30)
    ]
    assign(project=project, items=items)
    people = [make_annotator(project) for _ in range(6)]

    def come_and_go(number: int) -> int:
        chance, person = random.Random(number), people[number]
        for _ in range(40):
            slot = claim(project=project, annotator=person)
            if slot is None:
                break
            act = chance.random()
            if act < 0.5:
                release(slot=slot, annotator=person)
            elif act < 0.6:
                skip(slot=slot, annotator=person)
            else:
                answers = [Answer("overall", [1, 2])]
                submit(slot_key=slot.key, annotator=person, client_id=uuid.uuid4(), answers=answers)
        return 0

    in_threads(*[lambda n=n: come_and_go(n) for n in range(len(people))])
    label_all(people[0])
    for person in people:
        label_all(person)
        assert open_to(person) == 0
    labels = Annotation.objects.values_list("instance_id", "annotator_id")
    assert max(Counter(labels).values()) == 1
    assert max(Counter(instance for instance, _ in labels).values()) <= OVERLAP
