"""Setting up an arena: limits, contestants, and addresses that may not be asked."""

from typing import Any

import pytest

from annotation.arena import selectors, services, setup
from annotation.arena.leaderboard import Tally, standings
from annotation.arena.models import Arena, Contestant
from audit.models import Event
from core.exceptions import Conflict, InvalidInput, NotFound
from tests.factories import make_project, make_user

from .arena_scene import cast, make_arena, make_player, play, says_who
from .chat_server import reply, serving

pytestmark = pytest.mark.django_db


@pytest.fixture
def arena() -> Arena:
    return setup.set_up(project=make_project(), actor=make_user(), open=True)


def add(arena: Arena, name: str = "one", **values: Any) -> Contestant:
    fields = {"source": "endpoint", "base_url": "https://models.example.org/v1", "model": "m"}
    return setup.add_contestant(arena=arena, actor=make_user(), name=name, **(fields | values))


def test_only_a_project_that_compares_has_an_arena() -> None:
    with pytest.raises(InvalidInput, match="compares"):
        setup.set_up(project=make_project(kind="rating"), actor=make_user())


def test_limits_are_checked_and_logged(arena: Arena) -> None:
    for values in ({"most_turns": 0}, {"most_tokens": 10**6}, {"leaderboard": "all"}, {"salt": 1}):
        with pytest.raises(InvalidInput):
            setup.set_up(project=arena.project, actor=make_user(), **values)
    assert Event.objects.filter(action="arena set up").count() == 1


def test_a_budget_cannot_sink_below_what_is_spent(arena: Arena, settings: Any) -> None:
    with serving(says_who) as server:
        made, _ = make_arena(arena.project, server, settings)
        battle = services.open_battle(arena=made, annotator=make_player(arena.project), prompt="?")
        assert battle.arena.budget is not None
        with pytest.raises(InvalidInput, match="spent"):
            setup.set_up(project=arena.project, actor=make_user(), limit_micros=1)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://models.example.org",
        "https://",
        "https://user:word@models.example.org/v1",
        "https://models.example.org/v1?key=1",
        "http://localhost:8000/v1",
        "http://127.0.0.1:8000/v1",
        "http://169.254.169.254/latest",
        "http://10.1.2.3/v1",
        "http://[::1]:8000/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://[fd00::1]/v1",
        "http://[broken/v1",
    ],
)
def test_addresses_that_are_not_public_are_refused(arena: Arena, url: str) -> None:
    with pytest.raises(InvalidInput):
        add(arena, base_url=url)
    assert not Contestant.objects.exists()


def test_only_endpoints_of_the_settings_may_be_private(arena: Arena, settings: Any) -> None:
    with pytest.raises(InvalidInput, match="ARENA_ENDPOINTS"):
        add(arena, endpoint="local", base_url="")
    settings.ARENA_ENDPOINTS = {"local": ("http://127.0.0.1:9/v1", "")}
    assert add(arena, endpoint="local", base_url="").endpoint == "local"


def test_contestants_are_checked(arena: Arena) -> None:
    add(arena, "one")
    with pytest.raises(Conflict):
        add(arena, " one ")
    for values in (
        {"model": ""},
        {"temperature": 3},
        {"price_per_1k_input_micros": -1},
        {"source": "nobody"},
        {"source": "policy", "reference": 1},
        {"name": ""},
    ):
        with pytest.raises(InvalidInput):
            add(arena, **({"name": "two"} | values))


def test_one_that_has_battled_leaves_its_votes_behind(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path
    project = make_project()
    with serving(says_who) as server:
        arena, (first, second) = make_arena(project, server, settings)
        fresh = add(arena, "fresh")
        setup.act_on(contestant=fresh, act="pause", actor=make_user())
        cast(
            play(services.open_battle(arena=arena, annotator=make_player(project), prompt="?")), "a"
        )
    for contestant in (first, fresh):
        setup.act_on(contestant=contestant, act="remove", actor=make_user())
        with pytest.raises(NotFound):
            selectors.contestant_in(arena, contestant.pk)
    assert set(Contestant.objects.values_list("name", "state")) == {
        ("opal", "removed"),
        ("flint", "active"),
    }
    assert add(arena, "opal").state == "active"
    with pytest.raises(InvalidInput):
        setup.act_on(contestant=second, act="promote", actor=make_user())


def test_an_empty_reply_is_no_answer(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path
    project = make_project()
    with serving(lambda body, _: (200, {}, reply("  "))) as server:
        arena, _ = make_arena(project, server, settings)
        battle = play(services.open_battle(arena=arena, annotator=make_player(project), prompt="?"))
    assert battle.state == "void"


def test_strengths_follow_the_votes() -> None:
    tallies = [Tally(1, 2, 1, 75), Tally(2, 1, 2, 75), Tally(1, 2, 2, 50), Tally(3, 2, 0, 9)]
    best, *_, worst = standings(tallies)
    assert (best.contestant, worst.contestant) == (1, 2)
    # 150 to 50 is odds of three to one: 400 · log10(3) = 191 points.
    assert best.rating - worst.rating == pytest.approx(191, abs=3)
    assert best.low < best.rating < best.high
    assert (best.battles, best.wins, best.ties, best.losses) == (200, 150, 0, 50)
    assert standings([]) == []


def test_one_vote_does_not_claim_to_be_sure() -> None:
    winner, loser = standings([Tally(1, 2, 1, 1)])
    assert winner.rating > loser.rating
    assert winner.low < loser.high


def test_many_votes_narrow_the_interval() -> None:
    few, many = (standings([Tally(1, 2, 1, 6 * n), Tally(1, 2, 2, 4 * n)])[0] for n in (1, 100))
    assert many.high - many.low < (few.high - few.low) / 5
