"""Changing a label given before: nothing is lost, and one label stands."""

import uuid

import pytest

from annotation.labels.models import Annotation
from annotation.labels.revising import revise
from annotation.labels.selectors import current
from annotation.labels.services import Answer, submit, undo
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from core.exceptions import Conflict, InvalidInput, NotFound
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
FIRST = [Answer("overall", [1, 2], strength=1.0)]
SECOND = [Answer("overall", [2, 1], strength=0.5)]


def labelled() -> Slot:
    """A slot that its annotator has submitted with the first answer."""
    project = make_project()
    instance = make_instance(project)
    assign(project=project, items=[AssignmentItem(instance.pk, "human", "routed", 1.0)])
    annotator = make_annotator(project)
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    submit(slot_key=slot.key, annotator=annotator, client_id=uuid.uuid4(), answers=FIRST)
    slot.refresh_from_db()
    return slot


def change(slot: Slot, client_id: uuid.UUID | None = None) -> list[Annotation]:
    assert slot.annotator is not None
    return revise(
        slot_key=slot.key,
        annotator=slot.annotator,
        client_id=client_id or uuid.uuid4(),
        answers=SECOND,
        seconds=4.0,
    )


def test_the_new_label_stands_and_the_old_one_is_kept() -> None:
    slot = labelled()
    change(slot)
    assert [row.ranking for row in current(slot.project)] == [[2, 1]]
    assert Annotation.objects.filter(slot=slot).count() == 2
    slot.refresh_from_db()
    assert slot.state == SlotState.SUBMITTED


def test_the_same_change_again_stores_nothing_new() -> None:
    slot, client_id = labelled(), uuid.uuid4()
    first, again = change(slot, client_id), change(slot, client_id)
    assert [row.pk for row in first] == [row.pk for row in again]
    assert Annotation.objects.filter(slot=slot).count() == 2


def test_a_change_can_be_changed_and_undone() -> None:
    slot = labelled()
    change(slot)
    change(slot)
    assert current(slot.project).count() == 1
    assert slot.annotator is not None
    assert undo(annotator=slot.annotator, project=slot.project) == slot
    assert current(slot.project).count() == 0


def test_a_label_of_somebody_else_cannot_be_changed() -> None:
    slot = labelled()
    other = make_annotator(slot.project)
    with pytest.raises(Conflict):
        revise(slot_key=slot.key, annotator=other, client_id=uuid.uuid4(), answers=SECOND)
    stranger = make_annotator(make_project())
    with pytest.raises(NotFound):
        revise(slot_key=slot.key, annotator=stranger, client_id=uuid.uuid4(), answers=SECOND)
    assert [row.ranking for row in current(slot.project)] == [[1, 2]]


def test_what_was_taken_back_is_labelled_again_instead() -> None:
    slot = labelled()
    assert slot.annotator is not None
    undo(annotator=slot.annotator, project=slot.project)
    with pytest.raises(Conflict):
        change(slot)


def test_a_wrong_change_leaves_the_label_as_it_was() -> None:
    slot = labelled()
    assert slot.annotator is not None
    with pytest.raises(InvalidInput):
        revise(
            slot_key=slot.key,
            annotator=slot.annotator,
            client_id=uuid.uuid4(),
            answers=[Answer("overall", [1, 2, 3])],
        )
    assert [row.ranking for row in current(slot.project)] == [[1, 2]]
