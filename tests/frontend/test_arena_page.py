"""The arena in the browser: members and visitors, what a page gives away, refusals in place."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Project, Role
from annotation.arena.models import Arena, Battle
from annotation.labels.models import Annotation, Annotator
from annotation.labels.selectors import current
from tests.annotation.arena_scene import make_arena, one_broken, play, says_who
from tests.annotation.chat_server import ChatServer, serving
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db
NAMES = ("opal", "flint", "model-")


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path


@pytest.fixture
def server() -> Iterator[ChatServer]:
    def anonymous(body: dict[str, Any], number: int) -> Any:
        status, headers, reply = says_who(body, number)
        reply["choices"][0]["message"]["content"] = f"**answer** <script>{number}</script>"
        return status, headers, reply

    with serving(anonymous) as running:
        yield running


@pytest.fixture
def arena(server: ChatServer, settings: Any) -> Arena:
    made, _ = make_arena(make_project(), server, settings, public=True, leaderboard="voters")
    return made


def address(project: Project, name: str = "arena", *arguments: object) -> str:
    return reverse(name, args=[project.slug, *arguments])


def member(project: Project, role: Role = Role.ANNOTATOR) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def ask(client: Client, project: Project, prompt: str = "Hello?") -> Battle:
    response = client.post(address(project, "arena-ask"), {"prompt": prompt})
    assert response.status_code == 302, response.content.decode()
    return Battle.objects.order_by("-pk")[0]


def vote(client: Client, battle: Battle, **fields: str) -> Any:
    values = {"choice": "a", "client_id": str(uuid.uuid4()), "seconds": "3.2"} | fields
    return client.post(address(battle.arena.project, "arena-vote", battle.key), values)


def test_an_arena_that_nobody_made_is_in_no_annotators_navigation(arena: Arena) -> None:
    plain = make_project()
    for role, project, seen in (
        (Role.ANNOTATOR, arena.project, True),
        (Role.ANNOTATOR, plain, False),
        (Role.RESEARCHER, plain, False),
        (Role.OWNER, plain, True),
    ):
        page = member(project, role).get(address(project, "label")).content.decode()
        assert (f'href="{address(project)}"' in page) == seen, role


def test_a_member_asks_waits_votes_and_learns_the_names(arena: Arena) -> None:
    client = member(arena.project)
    battle = ask(client, arena.project)
    page = address(arena.project, "arena-battle", battle.key)
    waiting = client.get(page, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 1s"' in waiting
    play(battle)
    for response in (client.get(page), client.get(page, headers={"HX-Request": "true"})):
        text = response.content.decode() + str(response.headers)
        assert "hx-trigger" not in text
        assert "<strong>answer</strong> &lt;script&gt;" in text
        assert not any(name in text for name in NAMES)
    assert vote(client, battle).status_code == 302
    text = client.get(page).content.decode()
    assert all(name in text for name in ("opal", "flint", "your choice"))
    assert current(arena.project).get().seconds == 3.2


def test_waiting_looks_the_same_whichever_answered_first(arena: Arena) -> None:
    """The page tells nothing of one side before both are there."""
    client = member(arena.project)
    battle = ask(client, arena.project)
    url = address(arena.project, "arena-battle", battle.key)
    before = client.get(url, headers={"HX-Request": "true"}).content.decode()
    battle.turns.get().replies.filter(position=0).update(state="answered", text="early")
    after = client.get(url, headers={"HX-Request": "true"}).content.decode()
    plain = [re.sub(r'name="csrf[^>]*>|<small>.*?</small>', "", text) for text in (before, after)]
    assert plain[0] == plain[1]


def test_a_visitor_plays_without_an_account(arena: Arena) -> None:
    client = Client()
    assert client.get(address(arena.project)).status_code == 200
    assert not Annotator.objects.filter(project=arena.project).exists()
    battle = play(ask(client, arena.project))
    annotator = battle.annotator
    assert (annotator.user, annotator.kind) == (None, "person")
    assert battle.turns.get().address not in {"", "127.0.0.1"}
    assert "127.0.0.1" not in battle.turns.get().address
    assert vote(client, battle).status_code == 302
    assert ask(client, arena.project).annotator == annotator
    cookie = client.cookies["arena"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert "Leaderboard" in client.get(address(arena.project)).content.decode()


def test_a_forged_cookie_is_a_new_visitor(arena: Arena) -> None:
    client = Client()
    battle = play(ask(client, arena.project))
    forged = Client()
    forged.cookies["arena"] = client.cookies["arena"].value.split(":")[0] + ":1abc:forged"
    page = address(arena.project, "arena-battle", battle.key)
    assert forged.get(page).status_code == 404
    assert vote(forged, battle).status_code == 404
    assert not Annotation.objects.exists()


def test_somebody_elses_battle_is_not_found(arena: Arena) -> None:
    battle = play(ask(member(arena.project), arena.project))
    for client in (member(arena.project), member(arena.project, Role.OWNER), Client()):
        assert vote(client, battle).status_code == 404
        url = address(arena.project, "arena-continue", battle.key)
        assert client.post(url, {"prompt": "Hi"}).status_code == 404
    assert not Annotation.objects.exists()


def test_a_private_arena_asks_for_a_login(arena: Arena) -> None:
    Arena.objects.update(public=False)
    response = Client().get(address(arena.project))
    assert response["Location"].startswith("/login/")
    outsider = member(make_project())
    assert outsider.get(address(arena.project)).status_code == 404


def test_a_refused_prompt_stays_on_the_page(arena: Arena) -> None:
    Arena.objects.update(most_characters=100)
    text = "a long prompt " * 20
    response = member(arena.project).post(address(arena.project, "arena-ask"), {"prompt": text})
    assert response.status_code == 422
    assert text.strip() in response.content.decode()
    assert "at most 100" in response.content.decode()


def test_limits_and_budget_are_said_in_words(arena: Arena) -> None:
    Arena.objects.update(hourly_visitor=1)
    client = member(arena.project)
    ask(client, arena.project)
    response = client.post(address(arena.project, "arena-ask"), {"prompt": "Keep me"})
    assert (response.status_code, "Keep me" in response.content.decode()) == (429, True)
    assert arena.budget is not None
    arena.budget.refresh_from_db()
    arena.budget.limit = arena.budget.reserved
    arena.budget.save()
    response = member(arena.project).post(address(arena.project, "arena-ask"), {"prompt": "Hm"})
    assert response.status_code == 409
    assert "out of budget" in response.content.decode()


def test_a_second_vote_says_so_on_the_page(arena: Arena) -> None:
    client = member(arena.project)
    battle = play(ask(client, arena.project))
    key = str(uuid.uuid4())
    assert vote(client, battle, client_id=key).status_code == 302
    assert vote(client, battle, client_id=key).status_code == 302
    again = vote(client, battle, choice="b")
    assert (again.status_code, "already" in again.content.decode()) == (409, True)
    assert Annotation.objects.count() == 1


def test_an_early_or_broken_vote_is_refused(arena: Arena) -> None:
    client = member(arena.project)
    battle = ask(client, arena.project)
    assert vote(client, battle).status_code == 409
    play(battle)
    assert vote(client, battle, client_id="x").status_code == 422
    assert vote(client, battle, choice="left").status_code == 422
    assert vote(client, battle, seconds="never").status_code == 302
    assert current(arena.project).get().seconds is None


def test_what_failed_is_told_to_managers_only(settings: Any) -> None:
    with serving(one_broken) as server:
        arena, _ = make_arena(make_project(), server, settings)
        owner, annotator = member(arena.project, Role.OWNER), member(arena.project)
        texts = []
        for client in (owner, annotator):
            battle = play(ask(client, arena.project))
            page = client.get(address(arena.project, "arena-battle", battle.key))
            texts.append(page.content.decode())
    assert all("does not count" in text and "Try again" in text for text in texts)
    assert ["no such model" in text for text in texts] == [True, False]


def test_the_leaderboard_is_for_those_named(arena: Arena) -> None:
    Arena.objects.update(leaderboard="staff")
    client = member(arena.project)
    vote(client, play(ask(client, arena.project)))
    assert "Leaderboard" not in client.get(address(arena.project)).content.decode()
    Arena.objects.update(leaderboard="voters")
    assert "Leaderboard" in client.get(address(arena.project)).content.decode()
    fresh = member(arena.project)
    assert "Leaderboard" not in fresh.get(address(arena.project)).content.decode()
    assert (
        "opal" in member(arena.project, Role.REVIEWER).get(address(arena.project)).content.decode()
    )


def test_settings_make_and_change_an_arena(settings: Any) -> None:
    settings.ARENA_ENDPOINTS = {"local": ("http://127.0.0.1:9/v1", "key")}
    project = make_project()
    client = member(project, Role.ADMIN)
    limits = {
        "most_characters": "500",
        "most_turns": "2",
        "most_tokens": "64",
        "hourly_visitor": "9",
        "hourly_address": "9",
    }
    values = limits | {"open": "on", "leaderboard": "voters", "budget": "2.5"}
    assert client.post(address(project, "arena-save"), values).status_code == 302
    arena = Arena.objects.get()
    assert arena.budget is not None
    assert (arena.open, arena.public, arena.budget.limit) == (True, False, 2_500_000)
    contestant = {"name": "one", "model": "m", "endpoint": "local", "price_input": "2.5"}
    assert client.post(address(project, "contestant-add"), contestant).status_code == 302
    one = arena.contestants.get()
    assert one.price_per_1k_input_micros == 2500
    page = client.get(address(project, "arena-settings")).content.decode()
    assert "key" not in re.findall(r"value=\"([^\"]*)\"", page)
    assert "127.0.0.1" not in page
    for change in ({"most_turns": "x"}, {"budget": "-1"}, {"most_turns": "999"}):
        response = client.post(address(project, "arena-save"), values | change)
        assert response.status_code == 422
    private = contestant | {"name": "two", "endpoint": "", "base_url": "http://10.0.0.1/v1"}
    response = client.post(address(project, "contestant-add"), private)
    assert response.status_code == 422
    assert "http://10.0.0.1/v1" in response.content.decode()
    act = address(project, "contestant-act", one.pk)
    assert client.post(act, {"act": "pause"}).status_code == 302
    one.refresh_from_db()
    assert one.state == "paused"
