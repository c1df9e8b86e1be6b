"""Adaptive overlap: one more person while it is open, exactly, also when many come at once."""

import math
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.models import Annotation, Annotator
from annotation.labels.services import Answer, submit, undo
from annotation.ledger import services as ledger
from annotation.ledger.selectors import state
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from annotation.quality.models import Gold
from annotation.queue import doubt
from annotation.queue.adapting import doubt_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim, release
from tests.factories import make_annotation, make_annotator, make_instance, make_project

LN2 = math.log(2)


def queue_of(count: int = 1, overlap: int = 1, **settings: Any) -> Project:
    project = make_project()
    values = {"overlap_most": 4, "settle_entropy": 0.5} | settings
    Protocol.objects.filter(project=project).update(**values)
    items = [
        AssignmentItem(make_instance(project).pk, "human", "routed", 1.0, overlap)
        for _ in range(count)
    ]
    assign(project=project, items=items)
    return project


def say(project: Project, ranking: list[int], **answer: Any) -> Annotator:
    annotator = make_annotator(project)
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", ranking, **answer)],
    )
    return annotator


def test_the_posterior_of_one_coin() -> None:
    # Two answers, one label of accuracy 0.75: 0.75 to 0.25.
    assert doubt.posterior([("a", 0.75)], 2) == {"a": pytest.approx(0.75)}
    both = doubt.posterior([("a", 0.75), ("b", 0.75)], 2)
    assert both == {"a": pytest.approx(0.5), "b": pytest.approx(0.5)}
    # 0.9 against 0.6: odds 9 · (4/6) = 6.
    assert doubt.posterior([("a", 0.9), ("b", 0.6)], 2)["a"] == pytest.approx(6 / 7)
    # Four answers: 0.75, and 1/12 for each of the others.
    assert doubt.posterior([("a", 0.75)], 4) == {"a": pytest.approx(0.75)}


def test_entropy_falls_with_agreement_and_rises_with_conflict() -> None:
    assert doubt.entropy([], 2) == pytest.approx(LN2)
    assert doubt.entropy([("a", 0.5)], 2) == pytest.approx(LN2)
    one = doubt.entropy([("a", 0.75)], 2)
    assert one == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert doubt.entropy([("a", 0.75)] * 2, 2) < one
    assert doubt.entropy([("a", 0.75), ("b", 0.75)], 2) == pytest.approx(LN2)


def test_what_rankings_and_scores_say() -> None:
    assert doubt.of_ranking([1, 2, 2], [1, 2], "") == {(0, 1): "first", (0, 2): "first"}
    assert doubt.of_ranking([1, 1], [], "both bad") == {(0, 1): "both bad"}
    assert doubt.of_scores([3, None, 5]) == {0: 3, 2: 5}
    assert doubt.doubt([], 5) == pytest.approx(math.log(5))


@pytest.mark.django_db
def test_agreement_settles_and_conflict_asks_again() -> None:
    project = queue_of()
    say(project, [1, 2])
    assert Slot.objects.filter(state=SlotState.OPEN).count() == 1
    say(project, [1, 2])
    assert Instance.objects.get().state == "settled"
    assert Slot.objects.count() == 2


@pytest.mark.django_db
def test_it_stops_at_the_most() -> None:
    project = queue_of(settle_entropy=0.3)
    for ranking in ([1, 2], [2, 1], [1, 2], [2, 1]):
        say(project, ranking)
    assert Instance.objects.get().state == "settled"
    assert Slot.objects.count() == 4
    assert claim(project=project, annotator=make_annotator(project)) is None


@pytest.mark.django_db
def test_the_same_tie_twice_is_agreement_and_cannot_judge_says_nothing() -> None:
    project = queue_of()
    say(project, [1, 1], tie_kind="tie")
    say(project, [1, 1], tie_kind="tie")
    assert Instance.objects.get().state == "settled"
    other = queue_of()
    say(other, [1, 2])
    say(other, [], tie_kind="cannot judge")
    assert Instance.objects.get(project=other).state == "routed"


@pytest.mark.django_db
def test_no_place_is_added_that_cannot_be_paid() -> None:
    project = queue_of()
    budget = ledger.create_budget(project=project, name="people", limit_micros=700)
    ledger.reserve(budget=budget, subject=f"slot:{Slot.objects.get().key}", amount=300)
    say(project, [1, 2])
    assert (state(budget).settled, state(budget).reserved) == (300, 300)
    say(project, [2, 1])
    assert state(budget).settled == 600
    assert Slot.objects.count() == 2
    assert Instance.objects.get().state == "settled"


@pytest.mark.django_db
def test_undo_takes_the_added_place_and_its_money_back() -> None:
    project = queue_of()
    budget = ledger.create_budget(project=project, name="people", limit_micros=700)
    ledger.reserve(budget=budget, subject=f"slot:{Slot.objects.get().key}", amount=300)
    annotator = say(project, [1, 2])
    slot = undo(annotator=annotator, project=project)
    assert slot is not None
    assert Slot.objects.get() == slot
    assert state(budget).reserved == 0
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", [2, 1])],
    )
    assert Slot.objects.count() == 2
    assert Instance.objects.get().state == "routed"


@pytest.mark.django_db
def test_undo_reopens_what_had_settled() -> None:
    project = queue_of()
    say(project, [1, 2])
    annotator = say(project, [1, 2])
    assert Instance.objects.get().state == "settled"
    assert undo(annotator=annotator, project=project) is not None
    assert Instance.objects.get().state == "routed"


@pytest.mark.django_db
def test_who_knows_the_gold_is_believed_sooner() -> None:
    project = queue_of(count=0, gold_share=0.1)
    answers = {"overall": {"accept": [{"ranking": [1, 2]}]}}
    gold = [make_instance(project, state="gold") for _ in range(12)]
    for each in gold:
        Gold.objects.create(instance=each, answers=answers)
    good, poor = make_annotator(project), make_annotator(project)
    for each in gold:
        make_annotation(each, good, [1, 2], purpose="gold")
        make_annotation(each, poor, [2, 1], purpose="gold")
    doubts = []
    for annotator in (good, make_annotator(project), poor):
        instance = make_instance(project)
        make_annotation(instance, annotator, [1, 2])
        doubts.append(doubt_of(instance, protocol_of(project)))
    assert doubts == sorted(doubts)
    # 15 of 16 against 3 of 4, of four answers.
    assert doubts[0] == pytest.approx(doubt.entropy([("first", 15 / 16)], 4))
    assert doubts[1] == pytest.approx(doubt.entropy([("first", 3 / 4)], 4))


@pytest.mark.django_db
def test_an_added_place_that_was_labelled_once_is_not_removed() -> None:
    project = queue_of()
    first = say(project, [1, 2])
    second = say(project, [2, 1])
    slot = undo(annotator=second, project=project)
    assert slot is not None
    release(slot=slot, annotator=second)
    assert undo(annotator=first, project=project) is not None
    slot.refresh_from_db()
    assert slot.state == SlotState.OPEN


def closing(work: Callable[[], int]) -> int:
    try:
        return work()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_never_pass_the_most() -> None:
    """Everybody contradicts everybody, so that each instance wants as many as it may have."""
    project = queue_of(count=10, overlap=2, overlap_most=5, settle_entropy=0.0)
    people = [make_annotator(project) for _ in range(7)]

    def label_all(number: int) -> int:
        done, annotator = 0, people[number]
        ranking = [1, 2] if number % 2 else [2, 1]
        while (slot := claim(project=project, annotator=annotator)) is not None:
            submit(
                slot_key=slot.key,
                annotator=annotator,
                client_id=uuid.uuid4(),
                answers=[Answer("overall", ranking)],
            )
            done += 1
        return done

    with ThreadPoolExecutor(len(people)) as pool:
        jobs = [pool.submit(closing, partial(label_all, n)) for n in range(len(people))]
        done = sum(job.result(timeout=120) for job in jobs)
    # Whoever came to the end early may have missed places that were added later.
    done += sum(label_all(n) for n in range(len(people)))
    assert done == Annotation.objects.count() == 50
    for instance in Instance.objects.all():
        assert instance.state == "settled"
        assert instance.slots.count() == 5
        assert instance.annotations.values("annotator").distinct().count() == 5
