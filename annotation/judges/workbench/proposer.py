"""Asking a judge for criteria: one call on the books like any other, about no single instance."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.utils.translation import gettext as _

from annotation.judges import locks
from annotation.judges.models import CallPurpose, CallState, Failure, Judge, JudgeCall
from annotation.judges.pricing import ceiling, charged, most_tokens
from annotation.judges.providers.base import (
    Chat,
    Completion,
    Question,
    Reply,
    provider_of,
)
from annotation.judges.providers.chat import ChatProvider
from annotation.judges.running.asks import Source
from annotation.judges.running.books import recover
from annotation.judges.running.engine import Engine
from annotation.judges.running.session import counting, engine_for
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from core.hashing import content_hash

from .proposing import Example, parse_criteria, proposal_messages

MOST_TOKENS = 1024
ONLY = "Reply with the JSON object alone."


class Proposer:
    """Answers one question with criteria; a reply without any is asked for once more."""

    buys = True
    concurrency = 1

    def __init__(self, judge: Judge, chat: Chat, question: Question) -> None:
        self.judge = judge
        self.chat = chat
        self.question = question

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        del instance_ids
        return [self.question]

    def again(self, question: Question) -> Question | None:
        if question.attempt:
            return None
        *before, last = question.messages
        messages = (*before, {**last, "content": f"{last['content']}\n{ONLY}"})
        return replace(question, key=_again(question.key), messages=messages, attempt=1)

    async def answer(self, question: Question) -> Reply:
        """One attempt; touches no database.

        Raises:
            ProviderError: as its docstring says.
        """
        started = time.monotonic()
        completion = await self.chat.complete(
            messages=question.messages,
            max_tokens=question.max_tokens,
            idempotency_key=question.key,
        )
        return self._read(question, completion, round((time.monotonic() - started) * 1000))

    async def close(self) -> None:
        await self.chat.close()

    def _read(self, question: Question, completion: Completion, milliseconds: int) -> Reply:
        tokens = completion.input_tokens, completion.output_tokens
        failure = _failure(completion)
        return Reply(
            CallState.UNPARSABLE if failure else CallState.ANSWERED,
            failure=failure,
            text=completion.text,
            input_tokens=tokens[0] or 0,
            output_tokens=tokens[1] or 0,
            milliseconds=milliseconds,
            price_micros=charged(self.judge, *tokens, otherwise=question.ceiling),
            provider_id=completion.provider_id,
            error="the reply names no criterion" if failure else "",
        )


def _failure(completion: Completion) -> Failure | str:
    if completion.refused:
        return Failure.REFUSAL
    if not completion.text.strip():
        return Failure.EMPTY
    return "" if parse_criteria(completion.text) else Failure.INVALID_JSON


def propose(
    *,
    judge: Judge,
    criterion: Criterion,
    examples: Sequence[Example],
    most: int,
    budget: Budget | None,
    look: Callable[[Engine], object],
) -> list[str]:
    """Up to `most` criteria that the judge sees in what people chose. A stored reply is used again.

    Raises:
        InvalidInput: this judge is no chat model, or no criterion could be read in its reply.
        BudgetExceeded: the call does not fit; it was not asked.
        Conflict: another process is asking this judge.
    """
    provider = provider_of(judge, criterion)
    if not isinstance(provider, ChatProvider):
        raise InvalidInput(_("This judge only compares: it cannot name criteria."))
    question = question_for(judge, criterion, examples, most)
    source = Source(criterion, Proposer(judge, provider.chat, question))
    with locks.asking(judge):
        recover(judge, bought=True)
        # The engine goes by instances; this question is about none of them.
        engine = engine_for(judge, [source], [0], budget=budget, label=counting, look=look)
        engine.run([source])
    found = _answered(judge, question)
    if not found:
        raise InvalidInput(_why_not(judge, question))
    return found[:most]


def question_for(
    judge: Judge, criterion: Criterion, examples: Sequence[Example], most: int
) -> Question:
    """The question that asks for criteria."""
    messages = proposal_messages(examples, most)
    key = content_hash(["proposal", judge.model, judge.parameters, criterion.key, messages])
    return Question(
        None,
        (),
        key,
        messages=messages,
        max_tokens=MOST_TOKENS,
        ceiling=ceiling(judge, messages, MOST_TOKENS),
        tokens=most_tokens(messages) + MOST_TOKENS,
    )


def _again(key: str) -> str:
    return content_hash([key, "again"])


def _calls(judge: Judge, question: Question) -> list[JudgeCall]:
    keys = [question.key, _again(question.key)]
    rows = JudgeCall.objects.filter(judge=judge, purpose=CallPurpose.PROPOSAL, cache_key__in=keys)
    return list(rows.order_by("-pk"))


def _answered(judge: Judge, question: Question) -> list[str]:
    calls = [call for call in _calls(judge, question) if call.state == CallState.ANSWERED]
    return parse_criteria(calls[0].reply) if calls else []


def _why_not(judge: Judge, question: Question) -> str:
    calls = _calls(judge, question)
    why = calls[0].error or calls[0].failure if calls else ""
    return _("The judge named no criterion that could be read: %(why)s. Its reply is kept.") % {
        "why": why or _("it gave no reply")
    }
