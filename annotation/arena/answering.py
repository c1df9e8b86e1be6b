"""The job of a turn: both contestants are asked at the same time, and what came back is kept.

What becomes of an answer, and of its money:

| the contestant                        | reply    | money                     |
|---------------------------------------|----------|---------------------------|
| answers                               | answered | paid by its tokens        |
| refuses, or was never reached         | failed   | released                  |
| was asked, and no usable reply came   | unknown  | stays charged             |
| was asked by a process that died      | unknown  | stays charged             |
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.db import connection, transaction

from annotation.ledger.services import mark_unknown_many, release_many, settle_many
from core.exceptions import ApplicationError
from jobs.context import JobContext

from . import endpoints, sources
from .conversation import conversation
from .endpoints import NotBought, OutcomeUnknown
from .models import Battle, BattleState, Contestant, Reply, ReplyState, Turn
from .services import locked, subject
from .sources import Question, Said

DIED = "the process that asked died before the reply was stored"


@dataclass(frozen=True)
class Outcome:
    """What came of one question."""

    state: ReplyState
    said: Said
    error: str
    milliseconds: int


class SideContext(JobContext):
    """The job as one side sees it: both sides run processes, each in a folder of its own."""

    def __init__(self, context: JobContext, position: int) -> None:
        super().__init__(context.job)
        self._position = position

    @property
    def folder(self) -> Path:
        folder = super().folder / f"side-{self._position}"
        folder.mkdir(exist_ok=True)
        return folder


def answer(turn: Turn, context: JobContext) -> int:
    """Ask for the replies of a turn; returns how many came. An earlier attempt's replies stay."""
    battle = turn.battle
    waiting = _take(turn)
    questions = {reply.pk: _question(battle, reply) for reply in waiting}
    with ThreadPoolExecutor(2) as pool:
        outcomes = pool.map(
            lambda reply: _outcome(questions[reply.pk], SideContext(context, reply.position)),
            waiting,
        )
        for reply, outcome in zip(waiting, outcomes, strict=True):
            _store(battle, reply, outcome, questions[reply.pk].contestant)
    conclude(turn)
    return turn.replies.filter(state=ReplyState.ANSWERED).count()


@transaction.atomic
def _take(turn: Turn) -> list[Reply]:
    """Those still to be asked, marked as in flight; what a lost attempt had in flight is unknown.

    What costs nothing is asked again instead.
    """
    replies = list(turn.replies.select_for_update())
    for reply in replies:
        if reply.state == ReplyState.ASKING and reply.price_micros:
            _give_up(turn.battle, reply)
    again = [each for each in replies if each.state in (ReplyState.WAITING, ReplyState.ASKING)]
    Reply.objects.filter(pk__in=[each.pk for each in again]).update(state=ReplyState.ASKING)
    return again


def _question(battle: Battle, reply: Reply) -> Question:
    contestant = (battle.first, battle.second)[reply.position]
    messages = conversation(battle, reply.position)
    return Question(contestant, messages, battle.arena.most_tokens)


def _outcome(question: Question, context: JobContext) -> Outcome:
    """Runs in a thread of its own; never raises."""
    started = time.monotonic()
    state, said, error = ReplyState.ANSWERED, Said(""), ""
    try:
        said = _said(question, context)
    except (NotBought, ApplicationError) as problem:
        state, error = ReplyState.FAILED, str(problem)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the other side's answer counts
        state, error = ReplyState.UNKNOWN, f"{type(problem).__name__}: {problem}"
    finally:
        connection.close()
    return Outcome(state, said, error, round((time.monotonic() - started) * 1000))


def _said(question: Question, context: JobContext) -> Said:
    name = question.contestant.source
    if name == sources.ENDPOINT:
        return endpoints.ask(question)
    said = sources.source(name).answer(question, context)
    if not said.text.strip():
        raise OutcomeUnknown("the answer is empty")
    return said


@transaction.atomic
def _store(battle: Battle, reply: Reply, outcome: Outcome, contestant: Contestant) -> None:
    reserved = reply.price_micros
    reply.state, reply.text, reply.error = outcome.state, outcome.said.text, outcome.error
    reply.error = reply.error.replace("\0", "")[:2000]
    reply.input_tokens, reply.output_tokens = outcome.said.input_tokens, outcome.said.output_tokens
    reply.milliseconds = outcome.milliseconds
    if outcome.state == ReplyState.ANSWERED and reply.output_tokens:
        reply.price_micros = endpoints.price(contestant, reply.input_tokens, reply.output_tokens)
    reply.save()
    budget = battle.arena.budget
    if budget is None or not reserved:
        return
    if outcome.state == ReplyState.ANSWERED:
        settle_many(budget=budget, amounts={subject(reply): reply.price_micros})
    elif outcome.state == ReplyState.FAILED:
        release_many(budget=budget, subjects=[subject(reply)])
    else:
        mark_unknown_many(budget=budget, subjects=[subject(reply)])


def _give_up(battle: Battle, reply: Reply) -> None:
    reply.state, reply.error = ReplyState.UNKNOWN, DIED
    reply.save(update_fields=["state", "error"])
    if battle.arena.budget is not None and reply.price_micros:
        mark_unknown_many(budget=battle.arena.budget, subjects=[subject(reply)])


@transaction.atomic
def conclude(turn: Turn) -> Battle:
    """The battle is ready when both have answered, and void when one has not."""
    battle = locked(turn.battle)
    if battle.state != BattleState.ASKING:
        return battle
    failed = [reply for reply in turn.replies.all() if reply.state != ReplyState.ANSWERED]
    battle.state = BattleState.VOID if failed else BattleState.READY
    contestants = (battle.first, battle.second)
    battle.trouble = "\n".join(
        f"{contestants[reply.position].name}: {reply.error or reply.state}" for reply in failed
    )
    battle.save(update_fields=["state", "trouble"])
    return battle


def given_up(battle: Battle) -> Battle:
    """The battle; void, and not waiting for ever, where its job has ended without answers."""
    if battle.state != BattleState.ASKING:
        return battle
    turn = battle.turns.select_related("job", "battle__arena__budget").order_by("-number")[0]
    if turn.job is not None and not turn.job.ended:
        return battle
    give_up(turn)
    battle.refresh_from_db()
    return battle


@transaction.atomic
def give_up(turn: Turn) -> Battle:
    """End a turn whose job has ended without answers: cancelled, crashed, or lost for good."""
    for reply in turn.replies.select_for_update():
        if reply.state == ReplyState.WAITING:
            reply.state, reply.error = ReplyState.FAILED, "its job ended before it was asked"
            reply.save(update_fields=["state", "error"])
            if turn.battle.arena.budget is not None and reply.price_micros:
                release_many(budget=turn.battle.arena.budget, subjects=[subject(reply)])
        elif reply.state == ReplyState.ASKING:
            _give_up(turn.battle, reply)
    return conclude(turn)
