"""An arena whose contestants are a real server on loopback, and its jobs run here."""

import uuid
from typing import Any

from accounts.models import Project
from annotation.arena import services, setup
from annotation.arena.models import Arena, Battle, Contestant
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from jobs import runner
from tests.factories import make_member, make_user

from .chat_server import ChatServer, reply

OK = 200
PRICES = {"price_per_1k_input_micros": 1000, "price_per_1k_output_micros": 2000}


def says_who(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The answer names the turn, so that each side's conversation can be told."""
    turn = sum(message["role"] == "user" for message in body["messages"])
    return OK, {}, reply(f"answer {turn} of {body['model']}", usage=(100, 50))


def one_broken(body: dict[str, Any], number: int) -> tuple[int, dict[str, str], dict[str, Any]]:
    if body["model"] == "model-flint":
        return 400, {}, {"error": "no such model"}
    return says_who(body, number)


def make_arena(
    project: Project, server: ChatServer, settings: Any, **values: Any
) -> tuple[Arena, list[Contestant]]:
    """An open arena with a dollar and two contestants, `opal` and `flint`."""
    settings.ARENA_ENDPOINTS = {"local": (server.url, "a-secret-key")}
    actor = make_user()
    limit = values.pop("limit_micros", 1_000_000)
    arena = setup.set_up(
        project=project, actor=actor, limit_micros=limit, **({"open": True} | values)
    )
    contestants = [
        setup.add_contestant(
            arena=arena,
            actor=actor,
            name=name,
            source="endpoint",
            endpoint="local",
            model=f"model-{name}",
            licence="apache-2.0",
            **PRICES,
        )
        for name in ("opal", "flint")
    ]
    return arena, contestants


def make_player(project: Project) -> Annotator:
    return annotator_for(project=project, user=make_member(project))


def play(battle: Battle) -> Battle:
    """Run the job of the newest turn."""
    turn = battle.turns.order_by("-number")[0]
    assert turn.job is not None
    runner.run(turn.job.pk, owner="test", heartbeat=False)
    battle.refresh_from_db()
    return battle


def cast(battle: Battle, choice: str, client_id: uuid.UUID | None = None) -> Battle:
    return services.vote(battle=battle, choice=choice, client_id=client_id or uuid.uuid4())
