"""What the pages of the arena show beyond its rows: the leaderboard, and how long one waits."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.utils import timezone

from annotation.arena.leaderboard import FEW_BATTLES, Standing, Tally, standings
from annotation.arena.models import Arena, Battle, BattleState
from annotation.labels.selectors import current
from annotation.projects.selectors import main_criterion
from frontend.reads import is_stuck
from jobs.models import State


@dataclass(frozen=True)
class Place:
    """A row of the leaderboard; `rank` is one more than the number of those clearly better."""

    rank: int
    name: str
    standing: Standing


@dataclass(frozen=True)
class Board:
    """The leaderboard and the number of votes behind it."""

    places: list[Place]
    votes: int

    @property
    def few(self) -> bool:
        return self.votes < FEW_BATTLES


def board_of(arena: Arena) -> Board:
    """Strengths from the votes that stand. A constant number of queries."""
    side = "instance__battle"
    rows = (
        current(arena.project)
        .filter(instance__battle__arena=arena, criterion=main_criterion(arena.project))
        .exclude(ranking=[])
        .values_list(f"{side}__first", f"{side}__second", "ranking")
        .annotate(number=Count("pk"))
        .order_by()
    )
    tallies = [
        Tally(first, second, _winner(ranking), number) for first, second, ranking, number in rows
    ]
    names = dict(arena.contestants.values_list("pk", "name"))
    found = standings(tallies)
    places = [
        Place(_rank(standing, found), names[standing.contestant], standing) for standing in found
    ]
    return Board(places, sum(tally.count for tally in tallies))


def _winner(ranking: Sequence[int]) -> int:
    if ranking[0] == ranking[1]:
        return 0
    return 1 if ranking[0] < ranking[1] else 2


def _rank(standing: Standing, found: Sequence[Standing]) -> int:
    """One more than the number of those clearly better: whose interval lies above this one."""
    return 1 + sum(other.low > standing.high for other in found)


@dataclass(frozen=True)
class Waiting:
    """How long the answers have been awaited, and whether anybody works on them."""

    seconds: int
    queued: bool
    stuck: bool


def waiting_of(battle: Battle) -> Waiting | None:
    """None where nothing is awaited."""
    if battle.state != BattleState.ASKING:
        return None
    turn = battle.turns.select_related("job").order_by("-number")[0]
    return Waiting(
        seconds=round((timezone.now() - turn.created_at).total_seconds()),
        queued=turn.job is not None and turn.job.state == State.QUEUED,
        stuck=is_stuck(turn.job),
    )
