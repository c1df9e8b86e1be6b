"""Battles: two answers, follow-ups, the vote as a label, money, and everything that fails."""

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Project
from annotation.arena import answering, selectors, services, setup
from annotation.arena.models import Battle, Reply, Turn
from annotation.instances.models import Instance
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.ledger.selectors import state
from annotation.projects.models import Protocol
from annotation.queue.models import Slot
from core.exceptions import (
    BudgetExceeded,
    Conflict,
    InvalidInput,
    NotFound,
    TooManyRequests,
)
from jobs.context import JobContext
from jobs.models import Job
from tests.factories import make_project, make_user

from .arena_scene import OK, cast, make_arena, make_player, one_broken, play, says_who
from .chat_server import ChatServer, reply, serving

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folder(settings: Any, tmp_path: Any) -> None:
    settings.VAR_DIR = tmp_path


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with serving(says_who) as running:
        yield running


@pytest.fixture
def project() -> Project:
    return make_project()


def begin(project: Project, server: ChatServer, settings: Any, **values: Any) -> Battle:
    arena, _ = make_arena(project, server, settings, **values)
    return services.open_battle(arena=arena, annotator=make_player(project), prompt="Hello?")


def test_a_vote_becomes_an_instance_and_a_label(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = play(begin(project, server, settings))
    assert battle.state == "ready"
    client_id = uuid.uuid4()
    voted = services.vote(battle=battle, choice="b", client_id=client_id, seconds=12.5)
    instance = Instance.objects.get()
    label = current(project).get()
    names = [battle.first.name, battle.second.name]
    assert voted.instance == instance
    assert [c.generator for c in instance.completions.all()] == names
    assert [c.text for c in instance.completions.all()] == [f"answer 1 of model-{n}" for n in names]
    assert {c.licence for c in instance.completions.all()} == {"apache-2.0"}
    assert instance.messages == [{"role": "user", "content": "Hello?"}]
    assert instance.metadata == {"source": "arena", "turns": 1}
    # The answers say who speaks: that vote is not blind.
    assert instance.tags == ["arena", "arena: names a model"]
    # B is what was shown second, wherever it stands canonically.
    assert label.ranking.index(1) == battle.shown_order[1]
    assert label.shown_order == battle.shown_order
    assert (label.seconds, label.client_id) == (12.5, client_id)
    slot = Slot.objects.get()
    assert (slot.state, slot.overlap, slot.annotator) == ("submitted", 1, battle.annotator)
    assert label.slot == slot


def test_keys_go_to_their_own_endpoint_and_are_not_stored(
    project: Project, server: ChatServer, settings: Any
) -> None:
    arena, contestants = make_arena(project, server, settings)
    play(services.open_battle(arena=arena, annotator=make_player(project), prompt="Hello?"))
    assert {each["Authorization"] for each in server.headers} == {"Bearer a-secret-key"}
    stored = [str(vars(each)) for each in contestants]
    assert not any("a-secret-key" in text or "127.0.0.1" in text for text in stored)


def test_a_follow_up_goes_to_both_with_their_own_history(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = play(begin(project, server, settings))
    services.continue_battle(battle=battle, prompt="And then?")
    battle = play(battle)
    for body in server.bodies[2:]:
        own = f"answer 1 of {body['model']}"
        assert [each["content"] for each in body["messages"]] == ["Hello?", own, "And then?"]
    cast(battle, "tie")
    instance = Instance.objects.get()
    assert instance.messages == [{"role": "user", "content": "Hello?"}]
    for completion in instance.completions.all():
        assert completion.text.startswith("answer 2 of")
        assert completion.messages is not None
        assert completion.messages[1]["content"] == f"answer 1 of model-{completion.generator}"
    assert current(project).get().ranking == [1, 1]
    assert current(project).get().tie_kind == "tie"


def test_turns_end(project: Project, server: ChatServer, settings: Any) -> None:
    battle = play(begin(project, server, settings, most_turns=1))
    with pytest.raises(Conflict, match="vote now"):
        services.continue_battle(battle=battle, prompt="More?")
    assert cast(battle, "a").state == "voted"


def test_both_are_asked_at_the_same_time(project: Project, settings: Any) -> None:
    together = threading.Barrier(2, timeout=60)

    def meet(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
        together.wait()
        return OK, {}, reply("hello", usage=(1, 1))

    with serving(meet) as server:
        assert play(begin(project, server, settings)).state == "ready"


def test_the_same_vote_again_changes_nothing_and_another_is_refused(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle, client_id = play(begin(project, server, settings)), uuid.uuid4()
    first, again = cast(battle, "a", client_id), cast(battle, "a", client_id)
    assert first.instance == again.instance
    for choice, key in (("b", client_id), ("a", uuid.uuid4())):
        with pytest.raises(Conflict, match="already"):
            cast(battle, choice, key)
    assert Annotation.objects.count() == Instance.objects.count() == 1


def test_no_vote_before_both_have_answered(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = begin(project, server, settings)
    with pytest.raises(Conflict, match="Wait"):
        cast(battle, "a")
    with pytest.raises(Conflict, match="cannot go on"):
        services.continue_battle(battle=battle, prompt="More?")
    assert not Annotation.objects.exists()


def test_what_the_project_does_not_allow_cannot_be_voted(
    project: Project, server: ChatServer, settings: Any
) -> None:
    Protocol.objects.filter(project=project).update(ties=["tie"])
    battle = play(begin(project, server, settings))
    for choice in ("both bad", "c", ""):
        with pytest.raises(InvalidInput):
            cast(battle, choice)
    assert battle.state == "ready"


def test_a_battle_is_its_visitors_own(project: Project, server: ChatServer, settings: Any) -> None:
    battle = play(begin(project, server, settings))
    other = make_player(project)
    for annotator, key in ((other, battle.key), (None, battle.key), (other, uuid.uuid4())):
        with pytest.raises(NotFound):
            selectors.battle_of(battle.arena, annotator, key)


def test_names_are_not_in_what_the_page_gets_before_the_vote(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = play(begin(project, server, settings))
    assert selectors.battle_view(battle).names == {}
    view = selectors.battle_view(cast(battle, "a"))
    assert view.choice == "A"
    shown = [(battle.first, battle.second)[position].name for position in battle.shown_order]
    assert list(view.names.values()) == shown


def test_a_failing_contestant_makes_the_battle_void(project: Project, settings: Any) -> None:
    with serving(one_broken) as server:
        battle = play(begin(project, server, settings))
    assert battle.state == "void"
    assert "flint: HTTP 400" in battle.trouble
    with pytest.raises(Conflict, match="does not count"):
        cast(battle, "a")
    assert selectors.battle_view(battle).last_prompt == "Hello?"
    assert selectors.battle_view(battle).exchanges[0].sides == []
    budget = battle.arena.budget
    assert budget is not None
    # The answer that came is paid (100 read, 50 written), the other's reservation is back.
    amounts = state(budget)
    assert (amounts.settled, amounts.reserved, amounts.unknown) == (100 + 100, 0, 0)


def test_answers_are_paid_by_their_tokens(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = begin(project, server, settings)
    budget = battle.arena.budget
    assert budget is not None
    # "Hello?" and the template are at most 22 tokens, an answer at most 1024.
    assert state(budget).reserved == 2 * (22 * 1 + 1024 * 2)
    play(battle)
    assert (state(budget).settled, state(budget).reserved) == (2 * (100 + 100), 0)


def test_an_arena_out_of_budget_asks_nobody(
    project: Project, server: ChatServer, settings: Any
) -> None:
    arena, _ = make_arena(project, server, settings, limit_micros=3000)
    with pytest.raises(BudgetExceeded, match="out of budget"):
        services.open_battle(arena=arena, annotator=make_player(project), prompt="Hello?")
    assert not Battle.objects.exists()
    assert not Job.objects.exists()


def test_what_a_dead_process_had_in_flight_stays_charged(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = begin(project, server, settings)
    turn = Turn.objects.get()
    Reply.objects.filter(position=0).update(state="asking")
    battle = play(battle)
    assert (battle.state, len(server.bodies)) == ("void", 1)
    assert [each.state for each in turn.replies.all()] == ["unknown", "answered"]
    budget = battle.arena.budget
    assert budget is not None
    assert state(budget).unknown == turn.replies.get(position=0).price_micros


def test_a_turn_whose_job_ended_is_given_up(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = begin(project, server, settings)
    answering.give_up(Turn.objects.get())
    battle.refresh_from_db()
    assert battle.state == "void"
    budget = battle.arena.budget
    assert budget is not None
    assert state(budget).reserved == 0


def test_an_answered_turn_is_not_asked_again(
    project: Project, server: ChatServer, settings: Any
) -> None:
    battle = play(begin(project, server, settings))
    turn = Turn.objects.select_related("job").get()
    assert turn.job is not None
    assert answering.answer(turn, JobContext(turn.job)) == 2
    assert len(server.bodies) == 2
    assert battle.state == "ready"


def test_prompts_are_checked(project: Project, server: ChatServer, settings: Any) -> None:
    arena, _ = make_arena(project, server, settings, most_characters=100)
    player = make_player(project)
    for prompt in ("", "  \n", "x" * 101, "\ud800"):
        with pytest.raises(InvalidInput):
            services.open_battle(arena=arena, annotator=player, prompt=prompt)


def test_an_hour_has_a_limit_for_a_visitor_and_for_an_address(
    project: Project, server: ChatServer, settings: Any
) -> None:
    arena, _ = make_arena(project, server, settings, hourly_visitor=2, hourly_address=3)
    first, second = make_player(project), make_player(project)

    def ask(who: Any, address: str = "") -> Battle:
        return services.open_battle(arena=arena, annotator=who, prompt="Hi", address=address)

    battles = [ask(first, "home"), ask(first, "home")]
    with pytest.raises(TooManyRequests):
        ask(first, "elsewhere")
    ask(second, "home")
    with pytest.raises(TooManyRequests):
        ask(second, "home")
    ask(second, "elsewhere")
    for turn in Turn.objects.filter(battle__in=battles):
        turn.created_at -= timedelta(hours=1, seconds=1)
        turn.save()
    assert ask(first, "home").state == "asking"


def test_an_arena_needs_to_be_open_and_two_contestants(
    project: Project, server: ChatServer, settings: Any
) -> None:
    arena, contestants = make_arena(project, server, settings)
    player = make_player(project)
    setup.act_on(contestant=contestants[0], act="pause", actor=make_user())
    assert not selectors.can_play(arena)
    with pytest.raises(Conflict, match="closed"):
        services.open_battle(arena=arena, annotator=player, prompt="Hello?")
    setup.act_on(contestant=contestants[0], act="resume", actor=make_user())
    setup.set_up(project=project, actor=make_user(), open=False)
    with pytest.raises(Conflict, match="closed"):
        services.open_battle(arena=arena, annotator=player, prompt="Hello?")
