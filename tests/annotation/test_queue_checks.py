"""Checks inside the queue: qualification, hidden gold, repeats. The client cannot tell them."""

import uuid
from typing import Any

import pytest

from accounts.models import Project
from annotation.labels.models import Annotation, Annotator
from annotation.labels.selectors import current
from annotation.labels.services import Answer, submit, undo
from annotation.projects.models import Protocol
from annotation.quality.models import Gold
from annotation.queue.models import Slot
from annotation.queue.services import AssignmentItem, assign, claim, expire_leases, release, skip
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
RIGHT = {"overall": {"accept": [{"ranking": [1, 2]}]}}


def queue_of(count: int, gold: int = 0, kind: str = "gold", **settings: Any) -> Project:
    project = make_project()
    Protocol.objects.filter(project=project).update(salt="checks", **settings)
    items = [
        AssignmentItem(make_instance(project).pk, "human", "routed", 1.0) for _ in range(count)
    ]
    assign(project=project, items=items)
    for _ in range(gold):
        instance = make_instance(project, state="gold")
        Gold.objects.create(instance=instance, kind=kind, answers=RIGHT)
    return project


def answer(slot: Slot, annotator: Annotator, ranking: list[int]) -> None:
    submit(
        slot_key=slot.key,
        annotator=annotator,
        client_id=uuid.uuid4(),
        answers=[Answer("overall", ranking)],
    )


def label(annotator: Annotator, times: int) -> list[Slot]:
    slots = []
    for _ in range(times):
        slot = claim(project=annotator.project, annotator=annotator)
        assert slot is not None
        answer(slot, annotator, [1, 2])
        slots.append(slot)
    return slots


def test_gold_is_mixed_in_and_is_no_data() -> None:
    project = queue_of(60, gold=30, gold_share=0.3)
    annotator = make_annotator(project)
    purposes = [slot.purpose for slot in label(annotator, 60)]
    # 60 draws at 0.3: outside of this once in a thousand; the salt makes it the same every time.
    assert 8 <= purposes.count("gold") <= 29
    assert set(purposes) == {"gold", "label"}
    assert current(project).count() == purposes.count("label")
    golden = Annotation.objects.filter(purpose="gold").values_list("instance", flat=True)
    assert len(set(golden)) == purposes.count("gold")


def test_asking_again_draws_the_same() -> None:
    project = queue_of(20, gold=10, gold_share=0.5)
    annotator = make_annotator(project)
    for _ in range(12):
        first = claim(project=project, annotator=annotator)
        assert first is not None
        release(slot=first, annotator=annotator)
        again = claim(project=project, annotator=annotator)
        assert again is not None
        assert again == first
        answer(again, annotator, [1, 2])


def test_gold_that_was_given_back_can_still_be_answered_by_its_annotator() -> None:
    project = queue_of(0, gold=1, gold_share=0.5)
    people = [make_annotator(project) for _ in range(12)]
    given = {each: claim(project=project, annotator=each) for each in people}
    annotator, slot = next((who, slot) for who, slot in given.items() if slot is not None)
    Slot.objects.update(leased_until="2020-01-01T00:00:00Z")
    assert expire_leases() == sum(slot is not None for slot in given.values())
    slot.refresh_from_db()
    assert (slot.state, slot.annotator) == ("withdrawn", annotator)
    answer(slot, annotator, [1, 2])
    slot.refresh_from_db()
    assert slot.state == "submitted"


def test_gold_that_was_skipped_does_not_come_back() -> None:
    project = queue_of(0, gold=3, gold_share=0.5)
    annotator = make_annotator(project)
    skipped = set()
    for _ in range(30):
        slot = claim(project=project, annotator=annotator)
        if slot is None:
            break
        assert slot.instance_id not in skipped
        skipped.add(slot.instance_id)
        skip(slot=slot, annotator=annotator, kind="language")
    assert not Slot.objects.filter(state="open").exists()


def test_gold_respects_the_gates() -> None:
    project = queue_of(0, gold_share=0.5, gates=["lang:"])
    instance = make_instance(project, state="gold", tags=["lang:de"])
    Gold.objects.create(instance=instance, answers=RIGHT)
    people = [make_annotator(project) for _ in range(8)]
    assert not any(claim(project=project, annotator=each) for each in people)
    german = [make_annotator(project, qualifications=["lang:de"]) for _ in range(8)]
    assert any(claim(project=project, annotator=each) for each in german)


def test_the_qualification_round_comes_first_and_its_answers_stand(
    django_capture_on_commit_callbacks: Any,
) -> None:
    project = queue_of(3, gold=4, kind="qualification", qualify_count=2, qualify_share=1.0)
    good, poor = make_annotator(project), make_annotator(project)
    with django_capture_on_commit_callbacks(execute=True):
        assert {slot.purpose for slot in label(good, 2)} == {"qualification"}
    assert undo(annotator=good, project=project) is None
    assert [slot.purpose for slot in label(good, 1)] == ["label"]
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            slot = claim(project=project, annotator=poor)
            assert slot is not None
            answer(slot, poor, [2, 1])
    assert claim(project=project, annotator=poor) is None


def test_a_repeat_comes_after_thirty_labels_with_the_sides_turned() -> None:
    project = queue_of(80, repeat_share=0.5)
    annotator = make_annotator(project)
    slots = label(annotator, 70)
    repeats = [n for n, slot in enumerate(slots) if slot.purpose == "repeat"]
    assert repeats
    first = {slot.instance_id: n for n, slot in enumerate(slots) if slot.purpose == "label"}
    for n in repeats:
        before = first[slots[n].instance_id]
        own = [slot for slot in slots[before + 1 : n] if slot.purpose == "label"]
        assert len(own) >= 30
        assert slots[n].shown_order == list(reversed(slots[before].shown_order or []))
        assert slots[n].repeat_no == 1
    again = [slots[n].instance_id for n in repeats]
    assert len(set(again)) == len(again)
    assert current(project).count() == 70 - len(repeats)
