"""Battles: opening one, going on with it, and the vote that becomes a label.

What becomes of a vote:

| the battle is                         | outcome                                                |
|---------------------------------------|--------------------------------------------------------|
| answered by both, of this visitor     | an instance with two completions, a slot and a label   |
| voted on, the same client id and vote | the same battle again, nothing is written              |
| voted on otherwise                    | Conflict                                               |
| still being answered                  | Conflict: nothing to compare yet                       |
| void: a contestant did not answer     | Conflict                                               |
| somebody else's, or none at all       | NotFound (`selectors.battle_of`): the two look alike   |
"""

import random
import uuid
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.instances.readers import unstorable
from annotation.labels.models import Annotation, Annotator
from annotation.ledger.services import reserve
from core.exceptions import BudgetExceeded, Conflict, InvalidInput, TooManyRequests
from jobs.services import submit as submit_job

from . import endpoints, sources, votes
from .conversation import conversation
from .models import Arena, Battle, BattleState, Contestant, ContestantState, Reply, Turn

JOB = "annotation.arena"
HOUR = timedelta(hours=1)


@transaction.atomic
def open_battle(*, arena: Arena, annotator: Annotator, prompt: str, address: str = "") -> Battle:
    """Ask two contestants, drawn at random, and show them in a random order.

    `address` is a salted hash of where an anonymous visitor comes from, empty for members.

    Raises:
        InvalidInput: the prompt is empty, too long, or cannot be stored.
        Conflict: the arena is closed, or fewer than two contestants are active.
        TooManyRequests: the visitor or the address has asked as much as an hour allows.
        BudgetExceeded: the arena is out of budget.
    """
    # One opening at a time, so that limits are counted and not guessed.
    arena = Arena.objects.select_for_update(no_key=True, of=("self",)).get(pk=arena.pk)
    prompt = _checked(arena, prompt)
    _within_limits(arena, annotator, address)
    pair = _draw(arena)
    battle = Battle.objects.create(
        arena=arena,
        annotator=annotator,
        first=pair[0],
        second=pair[1],
        shown_order=_DRAW.sample([0, 1], 2),
    )
    _ask(battle, prompt, 0, address)
    return battle


@transaction.atomic
def continue_battle(*, battle: Battle, prompt: str, address: str = "") -> Battle:
    """Go on with both conversations before voting.

    Raises:
        Conflict: the battle is not waiting for its visitor, or has had all its turns.
        InvalidInput, TooManyRequests, BudgetExceeded: as in `open_battle`; nothing changes.
    """
    arena = Arena.objects.select_for_update(no_key=True, of=("self",)).get(pk=battle.arena_id)
    battle = locked(battle)
    if battle.state != BattleState.READY:
        raise Conflict(_("This round cannot go on: begin a new one."))
    turns = battle.turns.count()
    if turns >= arena.most_turns:
        raise Conflict(_("This round has had all its turns: vote now."))
    prompt = _checked(arena, prompt)
    _within_limits(arena, battle.annotator, address)
    battle.state = BattleState.ASKING
    battle.save(update_fields=["state"])
    _ask(battle, prompt, turns, address)
    return battle


@transaction.atomic
def vote(
    *, battle: Battle, choice: str, client_id: uuid.UUID, seconds: float | None = None
) -> Battle:
    """Write the vote as a label; the table above says when. `choice` is `a` or `b` as they were
    shown, or the name of a tie kind that the project allows.

    Raises:
        Conflict: see the table.
        InvalidInput: there is no such choice.
    """
    battle = locked(battle)
    answer = votes.answer_of(battle, choice)
    if battle.state == BattleState.VOTED:
        known = Annotation.objects.filter(instance=battle.instance, client_id=client_id)
        if known.filter(payload_hash=answer.payload_hash()).exists():
            return battle
        raise Conflict(_("You have voted in this round already."))
    if battle.state == BattleState.ASKING:
        raise Conflict(_("Wait until both have answered, then vote."))
    if battle.state == BattleState.VOID:
        raise Conflict(_("This round does not count, because one of the two did not answer."))
    battle.instance = votes.write(battle, answer, client_id=client_id, seconds=seconds)
    battle.state, battle.voted_at = BattleState.VOTED, timezone.now()
    battle.ranking, battle.tie_kind = answer.ranking, answer.tie_kind
    battle.save(update_fields=["instance", "state", "voted_at", "ranking", "tie_kind"])
    return battle


def locked(battle: Battle) -> Battle:
    """The battle as it stands now, held until the transaction ends."""
    return (
        Battle.objects.select_for_update(of=("self",))
        .select_related("arena__project", "arena__budget", "annotator", "first", "second")
        .get(pk=battle.pk)
    )


_DRAW = random.SystemRandom()


def _draw(arena: Arena) -> list[Contestant]:
    active = list(arena.contestants.filter(state=ContestantState.ACTIVE).order_by("pk"))
    if not arena.open or len(active) < 2:
        raise Conflict(_("The arena is closed at the moment: come back later."))
    return _DRAW.sample(active, 2)


def _checked(arena: Arena, prompt: str) -> str:
    prompt = prompt.strip().replace("\r\n", "\n")
    if not prompt:
        raise InvalidInput(_("Type a prompt first."))
    if len(prompt) > arena.most_characters:
        raise InvalidInput(
            _("The prompt has %(number)d characters; at most %(most)d are allowed.")
            % {"number": len(prompt), "most": arena.most_characters}
        )
    if unstorable(prompt):
        raise InvalidInput(_("The prompt holds characters that cannot be stored."))
    return prompt


def _within_limits(arena: Arena, annotator: Annotator, address: str) -> None:
    recent = Turn.objects.filter(battle__arena=arena, created_at__gt=timezone.now() - HOUR)
    busy = recent.filter(battle__annotator=annotator).count() >= arena.hourly_visitor
    if address and not busy:
        busy = recent.filter(address=address).count() >= arena.hourly_address
    if busy:
        raise TooManyRequests(_("That is as much as one hour allows: come back a little later."))


def _ask(battle: Battle, prompt: str, number: int, address: str) -> None:
    """Write the turn, set its money aside, and start the job that asks both."""
    turn = Turn.objects.create(battle=battle, number=number, prompt=prompt, address=address)
    for position, contestant in enumerate((battle.first, battle.second)):
        _expect(battle, turn, position, contestant)
    turn.job = submit_job(
        kind=JOB,
        project=battle.arena.project,
        arguments={"turn": turn.pk},
        queue=_queue((battle.first, battle.second)),
    )
    turn.save(update_fields=["job"])


def _expect(battle: Battle, turn: Turn, position: int, contestant: Contestant) -> None:
    arena = battle.arena
    amount = 0
    if contestant.source == sources.ENDPOINT:
        messages = conversation(battle, position)
        amount = endpoints.ceiling(contestant, messages, arena.most_tokens)
    reply = Reply.objects.create(turn=turn, position=position, price_micros=amount)
    if not amount:
        return
    if arena.budget is None:
        raise Conflict(_("This arena has no budget for contestants that cost money."))
    try:
        reserve(budget=arena.budget, subject=subject(reply), amount=amount)
    except BudgetExceeded as error:
        # A visitor is told that it is so, not how much money there is.
        raise BudgetExceeded(_("The arena is out of budget."), **error.extra) from error


def _queue(contestants: tuple[Contestant, Contestant]) -> str | None:
    """The workers that can run both; endpoints are asked from anywhere."""
    own = [each.source for each in contestants if each.source != sources.ENDPOINT]
    return sources.source(own[0]).queue if own else None


def subject(reply: Reply) -> str:
    """The name of an answer in the ledger."""
    return f"arena-reply:{reply.pk}"
