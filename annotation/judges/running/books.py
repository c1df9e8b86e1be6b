"""Calls on the books: written and reserved before they are sent, stored and paid after."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass

from django.db import connection, transaction

from annotation.judges.models import CallPurpose, CallState, Failure, Judge, JudgeCall
from annotation.judges.providers.base import Question, Reply
from annotation.judges.writing import array
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget, Entry, EntryState
from core.text import storable

from .asks import Ask, subject_of

PAID = (CallState.ANSWERED, CallState.UNPARSABLE)
# The states of the unique index of (judge, cache key): a call in one of these is not made again.
BOUGHT = ("in flight", "answered", "unparsable", "unknown")

# Statements over lists, because every call passes here twice: with the ORM it would be the limit.
PLACE = """
INSERT INTO annotation_judgecall (created_at, judge_id, run_id, guideline_id, purpose, state,
  instance_id, criterion_id, shape, shown_order, examples, cache_key, price_micros, attempts,
  failure, provider_id, reply, ranking, scores, rationale, input_tokens, output_tokens,
  milliseconds, error)
SELECT clock_timestamp(), %s, %s, %s,
  CASE WHEN v.instance_id IS NULL THEN 'proposal' ELSE v.purpose END, 'in flight',
  v.instance_id, v.criterion_id, v.shape, v.shown_order::smallint[], v.examples::bigint[],
  v.cache_key, v.price_micros, 1,
  '', '', '', '{}', '{}', '', 0, 0, 0, ''
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
  %s::text[], %s::bigint[]) AS v(purpose, instance_id, criterion_id, shape, shown_order, examples,
  cache_key, price_micros)
RETURNING cache_key, id
"""
STORE = """
UPDATE annotation_judgecall AS c SET
  state = v.state, failure = v.failure, attempts = v.attempts, provider_id = v.provider_id,
  reply = v.reply, logprobs = v.logprobs::jsonb, p_first = v.p_first, confidence = v.confidence,
  ranking = v.ranking::smallint[], scores = v.scores::float8[], rationale = v.rationale,
  input_tokens = v.input_tokens, output_tokens = v.output_tokens, price_micros = v.price_micros,
  milliseconds = v.milliseconds, error = v.error
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[],
  %s::float8[], %s::float8[], %s::text[], %s::text[], %s::text[], %s::int[], %s::int[],
  %s::bigint[], %s::int[], %s::text[]) AS v(id, state, failure, attempts, provider_id, reply,
  logprobs, p_first, confidence, ranking, scores, rationale, input_tokens, output_tokens,
  price_micros, milliseconds, error)
WHERE c.id = v.id
"""


@dataclass(frozen=True)
class Known:
    """A call that was made before."""

    call_id: int
    instance_id: int | None
    state: str


class Books:
    """One judge's calls, on behalf of a run where there is one, out of one budget or none.

    `spent`, `calls`: of this process, paid micros and calls sent.
    """

    def __init__(
        self,
        judge: Judge,
        budget: Budget | None,
        *,
        run_id: int | None = None,
        guideline_id: int | None = None,
    ) -> None:
        self.judge = judge
        self.budget = budget
        self.run_id = run_id
        self.guideline_id = guideline_id
        self.spent = 0
        self.calls = 0

    def known(self, questions: Sequence[Question]) -> dict[str, Known]:
        """Calls with the keys of these questions that are not to be made again."""
        keys = [question.key for question in questions]
        rows = JudgeCall.objects.filter(
            judge=self.judge, cache_key__in=keys, state__in=BOUGHT, copy_of=None
        )
        found = rows.values_list("cache_key", "pk", "instance_id", "state")
        return {key: Known(pk, instance_id, state) for key, pk, instance_id, state in found}

    @transaction.atomic
    def copy(self, wanted: Sequence[tuple[int, Question]]) -> None:
        """Write what these calls (ids) came to for the instances of equal questions too, unpaid."""
        originals = JudgeCall.objects.in_bulk([call_id for call_id, _ in wanted])
        # What was unknown then may be known by now.
        about = [question.instance_id for _, question in wanted]
        JudgeCall.objects.filter(
            copy_of__in=originals, instance__in=about, state=CallState.UNKNOWN
        ).delete()
        rows = []
        for call_id, question in wanted:
            row = copy(originals[call_id])
            row.pk, row.copy_of_id, row.instance_id = None, call_id, question.instance_id
            row.run_id, row.attempts, row.price_micros = self.run_id, 0, 0
            rows.append(row)
        JudgeCall.objects.bulk_create(rows, ignore_conflicts=True)

    def failed(self, instance_ids: Sequence[int]) -> set[str]:
        """Keys of the calls about these instances that failed for good: by no stated failure."""
        rows = JudgeCall.objects.filter(
            judge=self.judge, instance__in=instance_ids, state=CallState.FAILED, failure=""
        )
        return set(rows.values_list("cache_key", flat=True))

    @transaction.atomic
    def place(self, asks: Sequence[Ask]) -> None:
        """Write the calls as in flight and set their money aside: all of them, or none.

        Raises:
            BudgetExceeded: they do not fit; nothing was written.
        """
        ids = self._insert([ask for ask in asks if ask.call_id is None])
        again = [ask.call_id for ask in asks if ask.call_id is not None]
        if again:
            JudgeCall.objects.filter(pk__in=again).update(
                state=CallState.IN_FLIGHT, failure="", error=""
            )
        owed = {
            subject_of(ask.call_id or ids[ask.question.key]): ask.question.ceiling
            for ask in asks
            if not ask.held
        }
        if self.budget is not None and owed:
            ledger.reserve_many(budget=self.budget, amounts=owed, annotator=self.judge.annotator)
        for ask in asks:
            ask.call_id = ask.call_id or ids[ask.question.key]
            ask.sent += 1
        self.calls += len(asks)

    def _insert(self, asks: Sequence[Ask]) -> dict[str, int]:
        """Ids of the new calls by cache key."""
        if not asks:
            return {}
        columns = [list(column) for column in zip(*map(_planned, asks), strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(PLACE, [self.judge.pk, self.run_id, self.guideline_id, *columns])
            return dict(cursor.fetchall())

    @transaction.atomic
    def store(self, replies: Sequence[tuple[Ask, Reply]]) -> None:
        """Write what came home, and what became of its money, together."""
        if not replies:
            return
        columns = zip(*(_values(ask, reply) for ask, reply in replies), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(STORE, [list(column) for column in columns])
        self.spent += sum(reply.price_micros for _, reply in replies if reply.state in PAID)
        if self.budget is not None:
            self._pay(self.budget, replies)

    def _pay(self, budget: Budget, replies: Sequence[tuple[Ask, Reply]]) -> None:
        paid = {ask.subject: reply.price_micros for ask, reply in replies if reply.state in PAID}
        free = [ask.subject for ask, reply in replies if reply.state == CallState.FAILED]
        lost = [ask.subject for ask, reply in replies if reply.state == CallState.UNKNOWN]
        # Money of an earlier attempt may be held in the budget of another run.
        held = [ask.subject for ask, reply in replies if ask.held and reply.state in PAID]
        elsewhere = dict(
            Entry.objects.filter(subject__in=held, state__in=ledger.OPEN)
            .exclude(budget=budget)
            .values_list("subject", "budget_id")
        )
        for subject, budget_id in elsewhere.items():
            ledger.settle_many(budget=Budget(pk=budget_id), amounts={subject: paid.pop(subject)})
        if paid:
            ledger.settle_many(budget=budget, amounts=paid)
        if free:
            ledger.release_many(budget=budget, subjects=free)
        if lost:
            ledger.mark_unknown_many(budget=budget, subjects=lost)


def _planned(ask: Ask) -> tuple[object, ...]:
    question = ask.question
    return (
        str(question.purpose),
        question.instance_id,
        None if question.purpose == CallPurpose.TAGS else ask.source.criterion.pk,
        str(question.shape),
        array(question.shown_order),
        array(question.examples),
        question.key,
        question.ceiling,
    )


def _values(ask: Ask, reply: Reply) -> tuple[object, ...]:
    return (
        ask.call_id,
        str(reply.state),
        str(reply.failure),
        ask.sent,
        storable(reply.provider_id)[:200],
        storable(reply.text),
        _logprobs(reply),
        reply.p_first,
        reply.confidence,
        array(reply.ranking),
        array(reply.scores),
        storable(reply.rationale),
        reply.input_tokens,
        reply.output_tokens,
        reply.price_micros,
        reply.milliseconds,
        storable(reply.error),
    )


def _logprobs(reply: Reply) -> str | None:
    if reply.logprobs is None:
        return None
    clean = [each | {"token": storable(str(each.get("token", "")))} for each in reply.logprobs]
    return json.dumps(clean, ensure_ascii=False)


@transaction.atomic
def recover(judge: Judge, *, bought: bool, except_keys: Iterable[str] = ()) -> int:
    """Calls left in flight by a process that died become unknown and stay charged.

    `except_keys`: calls that are in flight still, in a batch at the provider.

    Nothing is lost where nothing was `bought`: those have failed and are asked again. Only for a
    holder of the judge's lock: then nobody else can have a call in flight.
    """
    lost = JudgeCall.objects.filter(judge=judge, state=CallState.IN_FLIGHT)
    lost = lost.exclude(cache_key__in=list(except_keys))
    subjects = [subject_of(pk) for pk in lost.values_list("pk", flat=True)]
    if not subjects:
        return 0
    lost.update(
        state=CallState.UNKNOWN if bought else CallState.FAILED,
        failure=Failure.LOST,
        error="the process that asked died before the reply was stored",
    )
    by_budget: defaultdict[int, list[str]] = defaultdict(list)
    entries = Entry.objects.filter(subject__in=subjects, state=EntryState.RESERVED)
    for subject, budget_id in entries.values_list("subject", "budget_id"):
        by_budget[budget_id].append(subject)
    for budget_id, of_budget in sorted(by_budget.items()):
        settle = ledger.mark_unknown_many if bought else ledger.release_many
        settle(budget=Budget(pk=budget_id), subjects=of_budget)
    return len(subjects)


def forget_unknown(judge: Judge, instance_ids: Sequence[int]) -> int:
    """Let calls of unknown outcome be asked again. What they may have cost stays charged."""
    unknown = JudgeCall.objects.filter(judge=judge, state=CallState.UNKNOWN)
    about = unknown.filter(instance__in=instance_ids)
    ids = {original or pk for pk, original in about.values_list("pk", "copy_of")}
    unknown.filter(copy_of__in=ids).delete()
    return unknown.filter(pk__in=ids).update(
        state=CallState.FAILED, error="outcome unknown; asked again on request"
    )
