"""People who keep a page open, or a link, after what it allows them was taken away."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Project, Role, User
from accounts.services import add_member
from annotation.consensus.models import Consensus
from annotation.labels.models import Annotation, Annotator
from annotation.labels.people import annotator_for
from annotation.labels.services import Answer, submit
from annotation.quality.services import exclude
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import AssignmentItem, assign, claim
from annotation.workforce import entry
from annotation.workforce.models import Participation
from annotation.workforce.services import remove
from annotation.workforce.studies import create_study, set_state
from core.exceptions import Conflict, Gone
from tests.factories import make_instance, make_member, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user()


@pytest.fixture
def project(owner: User) -> Project:
    project = make_project("Take away", owner=owner)
    items = [AssignmentItem(make_instance(project).pk, "human", "routed", 1.0) for _ in range(4)]
    assign(project=project, items=items)
    return project


def form_of(page: Any) -> dict[str, str]:
    found = re.findall(r'name="(slot|client_id|order)" value="([^"]*)"', page.content.decode())
    return dict(found) | {"answer-overall": "a1"}


@pytest.fixture
def reviewer(project: Project) -> User:
    return make_member(project, Role.REVIEWER)


def open_review(project: Project, reviewer: User) -> tuple[Client, dict[str, str], Slot]:
    """A page of a review that is not sent yet."""
    client, instance = Client(), project.instances.all()[0]
    client.force_login(reviewer)
    form = form_of(client.get(f"/p/{project.slug}/review/{instance.pk}/"))
    slot = Slot.objects.get(instance=instance, purpose="review")
    return client, form | {"slot": str(slot.key)}, slot


def test_who_is_no_reviewer_any_more_decides_nothing(project: Project, reviewer: User) -> None:
    client, form, slot = open_review(project, reviewer)
    add_member(project=project, user=reviewer, role=Role.ANNOTATOR)
    assert client.post(f"/p/{project.slug}/label/submit/", form).status_code == 404
    assert not Annotation.objects.filter(purpose="review").exists()
    assert client.get(f"/p/{project.slug}/history/{slot.key}/").status_code in {404, 409}


def test_who_is_no_reviewer_any_more_changes_no_review(project: Project, reviewer: User) -> None:
    client, form, slot = open_review(project, reviewer)
    address = f"/p/{project.slug}/review/{slot.instance_id}/submit/"
    assert client.post(address, form).status_code == 302
    add_member(project=project, user=reviewer, role=Role.ANNOTATOR)
    changed = form | {"answer-overall": "b1", "client_id": str(uuid.uuid4())}
    reply = client.post(f"/p/{project.slug}/history/{slot.key}/", changed)
    assert reply.status_code == 404
    client.post(f"/p/{project.slug}/label/undo/")
    assert Annotation.objects.filter(purpose="review").count() == 1
    assert Consensus.objects.filter(instance=slot.instance_id, method="review").exists()


def test_who_is_excluded_fills_no_place_of_others(project: Project, owner: User) -> None:
    """Their label would not count, and nobody else would be asked."""
    annotator = annotator_for(project=project, user=make_member(project))
    slot = claim(project=project, annotator=annotator)
    assert slot is not None
    exclude(annotator=annotator, because="Clicks only.", by=owner)
    late = Annotator.objects.get(pk=annotator.pk)
    with pytest.raises(Conflict):
        submit(
            slot_key=slot.key,
            annotator=late,
            client_id=uuid.uuid4(),
            answers=[Answer("overall", [1, 2])],
        )
    assert Slot.objects.get(pk=slot.pk).state == SlotState.OPEN


def test_a_participant_who_was_removed_does_not_come_back(project: Project, owner: User) -> None:
    """Not by being away long enough, either."""
    study, _ = create_study(
        project=project, actor=owner, name="One", labels=2, places=1, completion_code="DONE"
    )
    study = set_state(study=study, state="open", actor=owner)
    mine, _ = entry.enter(study=study, visitor=entry.Visitor("p1", "s1", "x"))
    remove(membership=Membership.objects.get(user=mine.user), actor=owner)
    ago = timezone.now() - timedelta(days=1)
    Participation.objects.filter(pk=mine.pk).update(seen_at=ago)
    entry.time_out()
    with pytest.raises(Gone):
        entry.go_on(participation=mine)
    assert not Membership.objects.filter(user=mine.user).exists()
    study.refresh_from_db()
    assert study.taken == 0
