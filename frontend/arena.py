"""What the pages of the arena show beyond its rows: the leaderboard, and how long one waits."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.utils import timezone

from annotation.arena import leaks
from annotation.arena.leaderboard import FEW_BATTLES, Standing, Tally, standings
from annotation.arena.models import Arena, Battle, BattleState
from annotation.arena.style import Styled, Vote, controlled
from annotation.consensus.style import FEATURES, with_style
from annotation.dashboards.selectors import excluded_people, newest_label
from annotation.instances.models import Completion
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.selectors import main_criterion
from frontend.reads import is_stuck
from jobs.models import State

# Style is taken out of so many of the newest votes: every one of them is read.
MOST_STYLED = 20_000
KEPT_SECONDS = 300


@dataclass(frozen=True)
class Place:
    """A row of the leaderboard; `rank` is one more than the number of those clearly better."""

    rank: int
    name: str
    standing: Standing
    styled: Styled


@dataclass(frozen=True)
class Board:
    """The leaderboard and the number of votes behind it.

    `named` votes are left out: an answer named a model. `worth`: points of a difference in style
    of one standard deviation. `criterion` is the key of the one that is voted on.
    """

    places: list[Place]
    votes: int
    named: int
    worth: dict[str, float]
    criterion: str

    @property
    def few(self) -> bool:
        return self.votes < FEW_BATTLES


def board_of(arena: Arena) -> Board:
    """Strengths from the votes that stand, kept until another comes. Few, constant queries."""
    project = arena.project
    key = f"arena-board:{arena.pk}:{newest_label(project)}:{excluded_people(project)}"
    found: Board | None = cache.get(key)
    if found is None:
        found = _board(arena)
        cache.set(key, found, KEPT_SECONDS)
    return found


def _board(arena: Arena) -> Board:
    criterion = main_criterion(arena.project)
    everything = (
        current(arena.project)
        .filter(instance__battle__arena=arena, criterion=criterion)
        .exclude(ranking=[])
    )
    labels = everything.exclude(instance__tags__contains=[leaks.TAG])
    tallies = _tallies(labels)
    found = standings(tallies)
    control = controlled(_styled_votes(labels))
    names = dict(arena.contestants.values_list("pk", "name"))
    places = [
        Place(
            _rank(standing, found),
            names[standing.contestant],
            standing,
            control.ratings[standing.contestant],
        )
        for standing in found
        if standing.contestant in control.ratings
    ]
    votes = sum(tally.count for tally in tallies)
    return Board(places, votes, everything.count() - votes, control.worth, criterion.key)


def _tallies(labels: QuerySet[Annotation]) -> list[Tally]:
    side = "instance__battle"
    rows = (
        labels.values_list(f"{side}__first", f"{side}__second", "ranking")
        .annotate(number=Count("pk"))
        .order_by()
    )
    return [
        Tally(first, second, _winner(ranking), number) for first, second, ranking, number in rows
    ]


def _styled_votes(labels: QuerySet[Annotation]) -> list[Vote]:
    """The newest votes with the length and the markdown of both answers. Two queries."""
    side = "instance__battle"
    rows = list(
        labels.order_by("-pk").values_list(
            "instance", f"{side}__first", f"{side}__second", "ranking"
        )[:MOST_STYLED]
    )
    counted = with_style(Completion.objects.filter(instance__in=[row[0] for row in rows]))
    styles = {
        (instance, position): style
        for instance, position, *style in counted.values_list("instance", "position", *FEATURES)
    }
    share = {0: 0.5, 1: 1.0, 2: 0.0}
    return [
        Vote(first, second, share[_winner(ranking)], (styles[pk, 0], styles[pk, 1]))
        for pk, first, second, ranking in rows
    ]


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
