"""Making and retiring gold while people submit: nobody waits for each other in a circle."""

import threading
import uuid
from collections.abc import Callable

import pytest
from django.db import connections

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator
from annotation.labels.services import Answer, submit
from annotation.quality.models import Gold
from annotation.quality.services import make_gold, retire_gold
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from core.exceptions import ApplicationError
from tests.factories import make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db(transaction=True)
RIGHT = {"overall": {"accept": [{"ranking": [1, 2]}]}}
ROUNDS = 12


def at_once(*acts: Callable[[], object]) -> list[object]:
    """Run the acts in threads that start together; what each gave, or why it was refused."""
    gate = threading.Barrier(len(acts))
    found: list[object] = [None] * len(acts)

    def run(place: int) -> None:
        gate.wait()
        try:
            found[place] = acts[place]()
        except ApplicationError as refusal:
            found[place] = refusal
        except Exception as error:  # noqa: BLE001 - a deadlock must fail the test, not the thread
            found[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return found


def held(project: Project, people: list[Annotator]) -> tuple[Instance, list[Slot]]:
    instance = make_instance(project)
    item = AssignmentItem(instance.pk, "human", "routed", 1.0, overlap=len(people))
    assign(project=project, items=[item])
    slots = [claim(project=project, annotator=person) for person in people]
    return instance, [slot for slot in slots if slot is not None]


def test_submits_and_making_gold_never_deadlock() -> None:
    project = make_project()
    people = [make_annotator(project) for _ in range(2)]
    for _ in range(ROUNDS):
        instance, slots = held(project, people)
        assert [slot.instance_id for slot in slots] == [instance.pk] * 2
        acts: list[Callable[[], object]] = [
            lambda slot=slot, who=who: submit(  # type: ignore[misc]
                slot_key=slot.key,
                annotator=who,
                client_id=uuid.uuid4(),
                answers=[Answer("overall", [1, 2])],
            )
            for slot, who in zip(slots, people, strict=True)
        ]
        acts.append(
            lambda instance=instance: make_gold(  # type: ignore[misc]
                instance=instance, kind="gold", answers=RIGHT, by=None
            )
        )
        found = at_once(*acts)
        assert all(isinstance(each, list | Gold | ApplicationError) for each in found), found
        instance.refresh_from_db()
        labelled = Annotation.objects.filter(instance=instance).exists()
        # It is gold, or it has labels: never both without anybody's wish.
        assert (instance.state == InstanceState.GOLD) != labelled
        waiting = Slot.objects.filter(instance=instance, state__in=["open", "leased"])
        assert not waiting.exists()
        if instance.state == InstanceState.GOLD:
            retired = at_once(
                lambda gold=instance.gold: retire_gold(gold=gold, by=None),  # type: ignore[misc]
                lambda gold=instance.gold: retire_gold(gold=gold, by=None),  # type: ignore[misc]
            )
            assert sorted(each is None for each in retired) == [False, True]
            back = Slot.objects.filter(instance=instance, state=SlotState.OPEN)
            assert back.count() == len(people)
            back.delete()
