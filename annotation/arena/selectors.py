"""Reads of the arena. What a visitor gets before the vote names nobody."""

import uuid
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from accounts.models import Project, User
from accounts.policies import Action, can
from annotation.labels.models import Annotator
from core.exceptions import NotFound

from .models import Arena, Audience, Battle, BattleState, Contestant, ContestantState, Turn

LETTERS = "AB"


def arena_of(project: Project) -> Arena | None:
    """The project's arena, once it was set up."""
    return Arena.objects.select_related("project", "budget").filter(project=project).first()


def has_arena(project: Project) -> bool:
    return Arena.objects.filter(project=project).exists()


def public_arena(slug: str) -> Arena | None:
    """The arena at this address, if it is open to anybody."""
    return (
        Arena.objects.select_related("project", "budget")
        .filter(project__slug=slug, project__archived_at__isnull=True, public=True, open=True)
        .first()
    )


def contestants_of(arena: Arena) -> QuerySet[Contestant]:
    """Those not removed, in the order they came."""
    return arena.contestants.exclude(state=ContestantState.REMOVED).order_by("pk")


def contestant_in(arena: Arena | None, contestant_id: int) -> Contestant:
    """One contestant of this arena.

    Raises:
        NotFound: there is none of this id, or it was removed.
    """
    found = None if arena is None else contestants_of(arena).filter(pk=contestant_id).first()
    if found is None:
        raise NotFound("There is no such contestant in this arena.")
    return found


def can_play(arena: Arena | None) -> bool:
    """It is open, and two contestants are there to answer."""
    if arena is None or not arena.open:
        return False
    return arena.contestants.filter(state=ContestantState.ACTIVE).count() >= 2


def battle_of(arena: Arena | None, annotator: Annotator | None, key: uuid.UUID) -> Battle:
    """A battle of this visitor.

    Raises:
        NotFound: there is none, or it is somebody else's: the two look alike.
    """
    found = None
    if arena is not None and annotator is not None:
        rows = Battle.objects.select_related("arena__project", "first", "second", "annotator")
        found = rows.filter(arena=arena, annotator=annotator, key=key).first()
    if found is None:
        raise NotFound("There is no such round for you: begin a new one.")
    return found


def unfinished(annotator: Annotator) -> Battle | None:
    """The visitor's newest battle that waits for answers or for their vote."""
    waiting = Q(state__in=[BattleState.ASKING, BattleState.READY])
    return Battle.objects.filter(waiting, annotator=annotator).order_by("-pk").first()


@dataclass(frozen=True)
class Side:
    """One side's answer in a turn, under its letter on the page."""

    letter: str
    text: str


@dataclass(frozen=True)
class Exchange:
    """A prompt and both answers to it, A first; no sides while they are being written."""

    prompt: str
    sides: list[Side]


@dataclass(frozen=True)
class BattleView:
    """What the page of a battle shows. `names` is empty until the vote."""

    key: uuid.UUID
    state: str
    exchanges: list[Exchange]
    turns_left: int
    choice: str
    names: dict[str, str]

    @property
    def last_prompt(self) -> str:
        return self.exchanges[-1].prompt


def battle_view(battle: Battle) -> BattleView:
    """Both conversations as they are shown. Two queries."""
    turns = list(battle.turns.prefetch_related("replies"))
    voted = battle.state == BattleState.VOTED
    asking = battle.state in (BattleState.ASKING, BattleState.VOID)
    contestants = (battle.first, battle.second)
    return BattleView(
        key=battle.key,
        state=battle.state,
        exchanges=[
            Exchange(turn.prompt, [] if asking and turn is turns[-1] else _sides(battle, turn))
            for turn in turns
        ],
        turns_left=battle.arena.most_turns - len(turns),
        choice=_choice(battle) if voted else "",
        names={
            letter: contestants[position].name
            for letter, position in zip(LETTERS, battle.shown_order, strict=True)
            if voted
        },
    )


def _sides(battle: Battle, turn: Turn) -> list[Side]:
    texts = {reply.position: reply.text for reply in turn.replies.all()}
    return [
        Side(letter, texts[position])
        for letter, position in zip(LETTERS, battle.shown_order, strict=True)
    ]


def _choice(battle: Battle) -> str:
    """`A`, `B`, or the kind of the tie."""
    if battle.tie_kind:
        return battle.tie_kind
    return LETTERS[battle.shown_order.index(battle.ranking.index(1))]


def sees_leaderboard(arena: Arena, user: User | None, annotator: Annotator | None) -> bool:
    """Staff always; with the audience `voters` also who has voted here."""
    if user is not None and can(user, Action.SEE_PROJECT, arena.project):
        return True
    if arena.leaderboard != Audience.VOTERS or annotator is None:
        return False
    return Battle.objects.filter(arena=arena, annotator=annotator, state=BattleState.VOTED).exists()


def battles_by_state(arena: Arena) -> dict[str, int]:
    """How many battles there are in each state, zeros included."""
    rows = Battle.objects.filter(arena=arena).values_list("state").annotate(n=Count("pk"))
    found = dict(rows.order_by())
    return {state: found.get(state, 0) for state in BattleState.values}
