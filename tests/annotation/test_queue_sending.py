"""Sending all new instances to people, without a router."""

import pytest

from annotation.instances.models import InstanceState
from annotation.projects.models import Protocol
from annotation.queue import sending
from annotation.queue.models import Assignment, Slot
from annotation.queue.sending import SEND_KIND, send_to_people, start_sending
from annotation.queue.services import AssignmentItem, assign, claim
from core.exceptions import Conflict
from jobs.models import Job
from jobs.registry import kind
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


def test_every_new_instance_gets_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches of two, so that the walk goes on behind each of them."""
    monkeypatch.setattr(sending, "BATCH", 2)
    project = make_project(overlap=3)
    for _ in range(5):
        make_instance(project)
    steps: list[tuple[int, int]] = []
    sent = send_to_people(project=project, progress=lambda *step: steps.append(step))
    assert sent == 5
    assert steps == [(2, 5), (4, 5), (5, 5)]
    rows = Assignment.objects.values_list("destination", "arm", "propensity", "overlap")
    assert set(rows) == {("human", "seed", 1.0, 3)}
    assert Slot.objects.filter(project=project, state="open").count() == 15
    assert not project.instances.filter(state=InstanceState.NEW).exists()
    assert claim(project=project, annotator=make_annotator(project)) is not None


def test_what_was_sent_before_stays_as_it_was() -> None:
    project = make_project()
    routed, fresh, gold = (make_instance(project) for _ in range(3))
    assign(project=project, items=[AssignmentItem(routed.pk, "judge", "routed", 0.2)])
    project.instances.filter(pk=gold.pk).update(state=InstanceState.GOLD)
    assert send_to_people(project=project, progress=lambda *_: None) == 1
    assert send_to_people(project=project, progress=lambda *_: None) == 0
    assert Assignment.objects.get(instance=routed).destination == "judge"
    assert set(Slot.objects.values_list("instance", flat=True)) == {fresh.pk}


def test_seats_and_priority_of_the_instance_decide() -> None:
    project = make_project()
    seats = [{"cohort": "expert", "count": 2}, {"cohort": "", "count": 1}]
    Protocol.objects.filter(project=project).update(seats=seats)
    instance = make_instance(project)
    project.instances.update(priority=2.5)
    send_to_people(project=project, progress=lambda *_: None)
    slots = Slot.objects.filter(instance=instance).select_related("pool").order_by("ordinal")
    assert [slot.pool.cohort for slot in slots if slot.pool] == ["expert", "expert", ""]
    assert {slot.priority for slot in slots} == {2.5}


def test_one_sending_at_a_time() -> None:
    project = make_project()
    job = start_sending(project=project)
    assert kind(SEND_KIND).queue == "default"
    with pytest.raises(Conflict):
        start_sending(project=project)
    Job.objects.filter(pk=job.pk).update(state="succeeded")
    assert start_sending(project=project).pk != job.pk
