"""Calls on the books: reserved and written before they are made, stored and paid after."""

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from annotation.ledger import services as ledger
from annotation.ledger.models import Budget, Entry, EntryState
from annotation.projects.models import Criterion
from core.hashing import content_hash

from .models import CallState, Judge, JudgeCall
from .providers import Provider, Question, Reply

BATCH = 500
STORED = (
    "state",
    "reply",
    "logprobs",
    "p_first",
    "ranking",
    "rationale",
    "input_tokens",
    "output_tokens",
    "price_micros",
    "milliseconds",
    "error",
)


class Desk:
    """Asks one judge about one criterion through its provider, out of one budget (or none)."""

    def __init__(
        self, judge: Judge, criterion: Criterion, provider: Provider, budget: Budget | None
    ) -> None:
        self.judge = judge
        self.criterion = criterion
        self.provider = provider
        self.budget = budget
        self.spent = 0

    def ask(self, instance_ids: Sequence[int]) -> None:
        """Ask what was not asked before about these instances; a reply not parsed, once more."""
        questions = self.provider.questions(instance_ids)
        self._buy(self._new(questions))
        self._buy(self._new(self._again(questions)))

    def _new(self, questions: Sequence[Question]) -> list[Question]:
        calls = JudgeCall.objects.filter(judge=self.judge, cache_key__in=[q.key for q in questions])
        if self.provider.buys:
            calls = calls.exclude(state=CallState.FAILED)
        known = set(calls.values_list("cache_key", flat=True))
        return [question for question in questions if question.key not in known]

    def _again(self, questions: Sequence[Question]) -> list[Question]:
        unparsable = set(
            JudgeCall.objects.filter(
                judge=self.judge,
                cache_key__in=[q.key for q in questions],
                state=CallState.UNPARSABLE,
            ).values_list("cache_key", flat=True)
        )
        return [
            replace(question, key=content_hash([question.key, "again"]), attempt=1)
            for question in questions
            if question.key in unparsable
        ]

    def _buy(self, questions: Sequence[Question]) -> None:
        if not questions:
            return
        if not self.provider.buys:
            self._read(questions)
            return
        calls = self._place({question.key: self._call(question) for question in questions})
        for question, reply in self.provider.answers(questions):
            self._store(_fill(calls[question.key], reply))

    def _call(self, question: Question) -> JudgeCall:
        return JudgeCall(
            judge=self.judge,
            instance_id=question.instance_id,
            criterion=self.criterion,
            shown_order=list(question.shown_order),
            cache_key=question.key,
            state=CallState.IN_FLIGHT,
            price_micros=question.ceiling,
        )

    @transaction.atomic
    def _read(self, questions: Sequence[Question]) -> None:
        """Replies that are here already are written and paid at once."""
        replies = self.provider.answers(questions)
        self._place({q.key: _fill(self._call(q), reply) for q, reply in replies}, settle=True)

    @transaction.atomic
    def _place(self, calls: dict[str, JudgeCall], *, settle: bool = False) -> dict[str, JudgeCall]:
        """Write the calls and set their money aside: both, or neither."""
        JudgeCall.objects.bulk_create(calls.values(), batch_size=BATCH)
        if self.budget is not None:
            amounts = {subject(call): call.price_micros for call in calls.values()}
            ledger.reserve_many(budget=self.budget, amounts=amounts, annotator=self.judge.annotator)
            if settle:
                ledger.settle_many(budget=self.budget, amounts=amounts)
        if settle:
            self.spent += sum(call.price_micros for call in calls.values())
        return calls

    @transaction.atomic
    def _store(self, call: JudgeCall) -> None:
        """Write what came back for a call in flight, and what became of its money."""
        call.save(update_fields=STORED)
        paid = call.state in (CallState.ANSWERED, CallState.UNPARSABLE)
        self.spent += call.price_micros if paid else 0
        if self.budget is None:
            return
        if paid:
            ledger.settle_many(budget=self.budget, amounts={subject(call): call.price_micros})
        elif call.state == CallState.FAILED:
            ledger.release_many(budget=self.budget, subjects=[subject(call)])
        else:
            ledger.mark_unknown_many(budget=self.budget, subjects=[subject(call)])


def subject(call: JudgeCall) -> str:
    """The name of a call in the ledger."""
    return f"judge-call:{call.pk}"


def _fill(call: JudgeCall, reply: Reply) -> JudgeCall:
    call.state = reply.state
    call.reply = reply.text.replace("\0", "")
    call.logprobs = reply.logprobs
    call.p_first = reply.p_first
    call.ranking = list(reply.ranking)
    call.rationale = reply.rationale.replace("\0", "")
    call.input_tokens = reply.input_tokens
    call.output_tokens = reply.output_tokens
    call.price_micros = reply.price_micros
    call.milliseconds = reply.milliseconds
    call.error = reply.error.replace("\0", "")
    return call


@transaction.atomic
def recover(judge: Judge) -> int:
    """Calls left in flight by a process that died become unknown and stay charged.

    Only for a holder of the judge's lock: then nobody else can have a call in flight.
    """
    lost = list(JudgeCall.objects.filter(judge=judge, state=CallState.IN_FLIGHT))
    JudgeCall.objects.filter(pk__in=[call.pk for call in lost]).update(
        state=CallState.UNKNOWN, error="the process that asked died before the reply was stored"
    )
    entries = Entry.objects.filter(
        budget__project=judge.project_id,
        subject__in=[subject(call) for call in lost],
        state=EntryState.RESERVED,
    ).select_related("budget")
    for entry in entries:
        ledger.mark_unknown(entry=entry)
    return len(lost)


def forget_unknown(judge: Judge, instance_ids: Sequence[int]) -> int:
    """Let calls of unknown outcome be asked again. What they may have cost stays charged."""
    unknown = JudgeCall.objects.filter(
        judge=judge, instance__in=instance_ids, state=CallState.UNKNOWN
    )
    return unknown.update(state=CallState.FAILED, error="outcome unknown; asked again on request")
