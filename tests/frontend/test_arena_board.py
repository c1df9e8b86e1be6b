"""The leaderboard: style beside plain strengths, votes that are left out, links to what counts."""

import html
import re
import uuid

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role
from annotation.arena import leaks
from annotation.arena.models import Arena, Battle, Contestant
from annotation.labels.models import Annotator
from frontend.arena import board_of
from tests.factories import (
    make_annotation,
    make_annotator,
    make_instance,
    make_member,
    make_project,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def arena() -> Arena:
    arena = Arena.objects.create(project=make_project(), open=True)
    for name in ("opal", "flint"):
        Contestant.objects.create(arena=arena, name=name, source="endpoint", base_url="http://x")
    return arena


def voted(arena: Arena, who: Annotator, first: str, *tags: str, ranking: tuple[int, ...]) -> Battle:
    """A vote on `first` (by opal) against a short answer."""
    opal, flint = arena.contestants.order_by("pk")
    instance = make_instance(
        arena.project, (first, "short"), tags=["arena", *tags], state="settled"
    )
    make_annotation(instance, who, ranking, tie_kind="" if ranking else "cannot judge")
    return Battle.objects.create(
        key=uuid.uuid4(),
        arena=arena,
        annotator=who,
        first=opal,
        second=flint,
        shown_order=[0, 1],
        state="voted",
        instance=instance,
        ranking=list(ranking),
        voted_at=timezone.now(),
    )


def test_votes_on_answers_that_name_a_model_are_left_out_and_linked(arena: Arena) -> None:
    who = make_annotator(arena.project)
    for _ in range(3):
        voted(arena, who, "# Long\n- one\n- two **bold**", ranking=(1, 2))
    voted(arena, who, "I am opal", leaks.TAG, ranking=(2, 1))
    voted(arena, who, "odd", ranking=())
    client = Client()
    client.force_login(make_member(arena.project, Role.REVIEWER))
    text = client.get(reverse("arena", args=[arena.project.slug])).content.decode()
    assert "1 vote is left out" in text
    assert "3 votes" in text
    links = [html.unescape(link) for link in re.findall(r'href="([^"]*/instances/\?[^"]+)"', text)]
    assert [len(client.get(link).context["page"].rows) for link in links] == [1, 3]


def test_style_is_counted_in_the_texts(arena: Arena) -> None:
    who = make_annotator(arena.project)
    for _ in range(12):
        voted(arena, who, "# Long\n- one\n2. two **bold** words " * 9, ranking=(1, 2))
        voted(arena, who, "plain", ranking=(1, 1))
    with CaptureQueriesContext(connection) as few:
        board = board_of(arena)
    first = next(place for place in board.places if place.name == "opal")
    # Whenever opal won its answer was long: that is no strength of its own.
    assert first.standing.rating - first.styled.rating > 30
    assert all(board.worth[name] > 0 for name in ("length", "headings", "lists", "bold"))
    voted(arena, who, "plain", ranking=(1, 2))
    with CaptureQueriesContext(connection) as more:
        assert board_of(arena).votes == 25
    assert len(more) == len(few)
    with CaptureQueriesContext(connection) as kept:
        board_of(arena)
    assert len(kept) < len(few)
