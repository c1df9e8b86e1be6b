"""Flags: several people set an instance aside, and somebody decides what becomes of it."""

import uuid

import pytest

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.labels.services import Answer, submit
from annotation.ledger import services as ledger
from annotation.ledger.selectors import state
from annotation.queue.models import Skip, Slot
from annotation.queue.selectors import flagged
from annotation.queue.services import (
    AssignmentItem,
    assign,
    claim,
    drop,
    release,
    restore,
    skip,
)
from audit.models import Event
from core.exceptions import Conflict
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


def queue_of(overlap: int = 4) -> Project:
    project = make_project()
    item = AssignmentItem(make_instance(project).pk, "human", "routed", 1.0, overlap)
    assign(project=project, items=[item])
    return project


def flag(project: Project, kind: str = "broken") -> None:
    annotator = make_annotator(project)
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    skip(slot=slot, annotator=annotator, kind=kind, note="see there")


def states(project: Project) -> list[str]:
    return list(
        Slot.objects.filter(project=project).order_by("ordinal").values_list("state", flat=True)
    )


def test_two_flags_set_an_instance_aside_and_keep_its_labels() -> None:
    project = queue_of()
    labeller, holder = make_annotator(project), make_annotator(project)
    labelled = claim(project=project, annotator=labeller)
    held = claim(project=project, annotator=holder)
    assert labelled is not None
    assert held is not None
    answers = [Answer("overall", [1, 2])]
    submit(slot_key=labelled.key, annotator=labeller, client_id=uuid.uuid4(), answers=answers)
    flag(project, "broken")
    assert Instance.objects.get().state == "routed"
    flag(project, "unsafe")
    assert Instance.objects.get().state == "flagged"
    assert states(project) == ["submitted", "leased", "withdrawn", "withdrawn"]
    # What is held may be filled; given back it opens for nobody.
    release(slot=held, annotator=holder)
    assert states(project) == ["submitted", "withdrawn", "withdrawn", "withdrawn"]
    (row,) = flagged(project)
    assert {each.kind for each in row.skips.all()} == {"broken", "unsafe"}
    assert Event.objects.filter(action="instance flagged").count() == 1


def test_a_label_on_a_flagged_instance_is_kept() -> None:
    project = queue_of()
    holder = make_annotator(project)
    held = claim(project=project, annotator=holder)
    assert held is not None
    flag(project)
    flag(project)
    answers = [Answer("overall", [1, 2])]
    submit(slot_key=held.key, annotator=holder, client_id=uuid.uuid4(), answers=answers)
    assert states(project)[0] == "submitted"
    assert Instance.objects.get().state == "flagged"


@pytest.mark.parametrize("kind", ["pass", "language", "expertise"])
def test_who_cannot_say_flags_nothing(kind: str) -> None:
    project = queue_of()
    for _ in range(3):
        flag(project, kind)
    assert Instance.objects.get().state == "routed"
    assert states(project) == ["open"] * 4


def test_a_restored_instance_is_asked_about_again() -> None:
    project = queue_of()
    flag(project)
    flag(project)
    instance = restore(instance=Instance.objects.get(), by=None)
    assert instance.state == "routed"
    assert states(project) == ["open"] * 4
    event = Event.objects.get(action="instance restored")
    assert event.data == {"flags": {"broken": 2}}
    # Its flags count from naught, and those who flagged it do not get it again.
    flag(project)
    assert Instance.objects.get().state == "routed"
    flagger = Skip.objects.order_by("pk")[0].annotator
    assert claim(project=project, annotator=flagger) is None
    with pytest.raises(Conflict, match="not flagged"):
        restore(instance=instance, by=None)


def test_a_restored_instance_with_all_its_labels_settles() -> None:
    project = queue_of(overlap=2)
    instance = Instance.objects.get()
    people = [make_annotator(project) for _ in range(2)]
    slots = [claim(project=project, annotator=each) for each in people]
    for slot, each in zip(slots, people, strict=True):
        assert slot is not None
        answers = [Answer("overall", [1, 2])]
        submit(slot_key=slot.key, annotator=each, client_id=uuid.uuid4(), answers=answers)
    Instance.objects.update(state="flagged")
    assert restore(instance=instance, by=None).state == "settled"


def test_a_dropped_instance_gives_its_money_back() -> None:
    project = queue_of(overlap=2)
    budget = ledger.create_budget(project=project, name="people", limit_micros=1000)
    for slot in Slot.objects.all():
        ledger.reserve(budget=budget, subject=f"slot:{slot.key}", amount=300)
    flag(project)
    flag(project)
    assert state(budget).reserved == 600
    assert drop(instance=Instance.objects.get(), by=None).state == "dropped"
    assert (state(budget).reserved, state(budget).free) == (0, 1000)
    assert states(project) == ["withdrawn"] * 2
