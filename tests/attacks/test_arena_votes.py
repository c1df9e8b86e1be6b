"""Votes that somebody calls for in the arena: they hold nothing up and are no work."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project, User
from annotation.arena import services, visitors
from annotation.arena.models import Battle
from annotation.labels.models import Annotator
from annotation.labels.services import undo
from annotation.queue.models import Slot, SlotState
from annotation.queue.selectors import open_to
from annotation.queue.services import expire_leases, skip
from annotation.workforce import entry, payments, selectors
from annotation.workforce.studies import create_study, set_state
from core.exceptions import Conflict
from tests.annotation.arena_scene import cast, make_arena, make_player, play, says_who
from tests.annotation.chat_server import ChatServer, serving
from tests.factories import make_annotator, make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(says_who) as running:
        yield running


@pytest.fixture
def owner() -> User:
    return make_user()


@pytest.fixture
def project(owner: User) -> Project:
    return make_project(owner=owner)


@pytest.fixture
def battle(project: Project, server: ChatServer, settings: Any) -> Battle:
    arena, _ = make_arena(project, server, settings)
    player = make_player(project)
    return play(services.open_battle(arena=arena, annotator=player, prompt="Hello?"))


def test_a_vote_taken_back_and_passed_on_opens_for_others(battle: Battle) -> None:
    project = battle.arena.project
    cast(battle, "a")
    slot = undo(annotator=battle.annotator, project=project)
    assert slot is not None
    skip(slot=slot, annotator=battle.annotator)
    assert Slot.objects.get(pk=slot.pk).state == SlotState.OPEN
    assert open_to(make_annotator(project)) == 1


def test_a_vote_taken_back_and_left_lying_does_not_stop_the_clock(battle: Battle) -> None:
    project = battle.arena.project
    cast(battle, "a")
    slot = undo(annotator=battle.annotator, project=project)
    assert slot is not None
    late = timezone.now() - timedelta(minutes=1)
    Slot.objects.filter(pk=slot.pk).update(leased_until=late)
    assert expire_leases(project=project) == 1


def test_votes_are_no_paid_work(battle: Battle, owner: User) -> None:
    """A member asks as often as they like; a visitor has no account that could be paid."""
    project, since = battle.arena.project, timezone.now() - timedelta(days=1)
    payments.add_rate(
        project=project,
        actor=owner,
        basis="label",
        micros=250_000,
        currency="EUR",
        valid_from=since,
    )
    cast(battle, "a")
    visitor = visitors.visitor(arena=battle.arena, key=uuid.uuid4())
    asked = services.open_battle(arena=battle.arena, annotator=visitor, prompt="Hello?")
    cast(play(asked), "b")
    assert payments.derive(project=project) == 0
    assert selectors.owed(project) == []


def join_study(project: Project, owner: User) -> Any:
    study, _ = create_study(
        project=project, actor=owner, name="One", labels=1, places=1, completion_code="DONE"
    )
    study = set_state(study=study, state="open", actor=owner)
    return entry.enter(study=study, visitor=entry.Visitor("p1", "s1", "x"))[0]


def test_votes_complete_no_study(battle: Battle, owner: User) -> None:
    mine = join_study(battle.arena.project, owner)
    asked = services.open_battle(arena=battle.arena, annotator=mine.annotator, prompt="Hello?")
    cast(play(asked), "a")
    assert entry.labels_of(mine) == 0
    with pytest.raises(Conflict):
        entry.complete(participation=mine)


def test_a_client_id_of_another_vote_is_a_conflict(battle: Battle) -> None:
    client_id = uuid.uuid4()
    cast(battle, "a", client_id)
    again = services.open_battle(
        arena=battle.arena, annotator=Annotator.objects.get(pk=battle.annotator_id), prompt="Two?"
    )
    with pytest.raises(Conflict):
        cast(play(again), "a", client_id)
