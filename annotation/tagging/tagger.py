"""Asking a judge for the tags of prompts: questions for the engine, and reading the replies."""

import time
from collections.abc import Sequence
from dataclasses import replace

from annotation.instances.models import Instance
from annotation.judges.asking.material import media
from annotation.judges.asking.replies import CUT_OFF
from annotation.judges.asking.setup import OPERATION, PROTOCOL
from annotation.judges.models import CallPurpose, CallState, Failure, Judge
from annotation.judges.pricing import ceiling, charged, most_tokens
from annotation.judges.providers.base import Chat, Completion, Question, Reply
from core.hashing import content_hash

from .asking import MOST_TOKENS, ONLY, VERSION, parse_tags, tag_messages

NOT_TEXT = "the prompt has a part that is no text, and this judge reads text"
MESSAGES = {
    Failure.REFUSAL: "the judge declined to answer",
    Failure.EMPTY: "the reply is empty",
    Failure.HALF_REPLY: "the reply was cut off before its end",
    Failure.INVALID_JSON: "the reply is not one object with a listed value for every name",
}


class TagQuestions:
    """What is asked about each instance given: one question, whatever its completions are."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.parameters = {
            name: value
            for name, value in judge.parameters.items()
            if name not in OPERATION | PROTOCOL
        }
        # A judge that thinks before it answers has more of its own.
        self.max_tokens = max(MOST_TOKENS, int(judge.parameters.get("max_tokens", 0)))

    def about(self, instance_ids: Sequence[int]) -> list[Question]:
        """One query. Of a prompt that is not only text, a question without messages."""
        there = Instance.objects.filter(pk__in=instance_ids).in_bulk()
        return [self._question(there[pk]) for pk in instance_ids if pk in there]

    def again(self, question: Question) -> Question | None:
        """The question once more, with a reminder of its form; None after that, or unasked."""
        if question.attempt or not question.messages:
            return None
        *before, last = question.messages
        messages = (*before, {**last, "content": f"{last['content']}\n{ONLY}"})
        key = content_hash([question.key, "again"])
        return self._priced(replace(question, key=key, messages=messages, attempt=1))

    def _question(self, instance: Instance) -> Question:
        # Only the prompt is shown, so only the prompt has to be text.
        refused = next(media(instance, []), "")
        messages = () if refused else tag_messages(instance.messages, instance.context)
        asked = [refused, instance.prompt_hash] if refused else messages
        question = Question(
            instance.pk,
            (),
            content_hash(["tags", VERSION, self.judge.model, self.parameters, asked]),
            messages=messages,
            purpose=CallPurpose.TAGS,
        )
        return self._priced(question) if messages else question

    def _priced(self, question: Question) -> Question:
        room = self.max_tokens * (1 + question.attempt)
        return replace(
            question,
            max_tokens=room,
            ceiling=ceiling(self.judge, question.messages, room),
            tokens=most_tokens(question.messages) + room,
        )


class Tagger:
    """Joins the questions with a chat model: what the engine asks."""

    buys = True

    def __init__(self, judge: Judge, chat: Chat, *, concurrency: int) -> None:
        self.asked = TagQuestions(judge)
        self.chat = chat
        self.concurrency = concurrency

    def questions(self, instance_ids: Sequence[int]) -> list[Question]:
        return self.asked.about(instance_ids)

    def again(self, question: Question) -> Question | None:
        return self.asked.again(question)

    async def answer(self, question: Question) -> Reply:
        """One attempt; touches no database.

        Raises:
            ProviderError: as its docstring says.
        """
        if not question.messages:
            return Reply(CallState.FAILED, Failure.BAD_REQUEST, error=NOT_TEXT)
        started = time.monotonic()
        completion = await self.chat.complete(
            messages=question.messages,
            max_tokens=question.max_tokens,
            idempotency_key=question.key,
        )
        return read(self.asked.judge, question, completion, time.monotonic() - started)

    async def close(self) -> None:
        await self.chat.close()


def read(judge: Judge, question: Question, completion: Completion, seconds: float) -> Reply:
    """The reply on the books: answered only where every name has a listed value."""
    tokens = completion.input_tokens, completion.output_tokens
    failure = _failure(completion)
    return Reply(
        CallState.UNPARSABLE if failure else CallState.ANSWERED,
        failure=failure or "",
        text=completion.text,
        input_tokens=tokens[0] or 0,
        output_tokens=tokens[1] or 0,
        milliseconds=round(seconds * 1000),
        price_micros=charged(judge, *tokens, otherwise=question.ceiling),
        provider_id=completion.provider_id,
        error=MESSAGES[failure] if failure else "",
    )


def _failure(completion: Completion) -> Failure | None:
    if completion.refused:
        return Failure.REFUSAL
    if not completion.text.strip():
        return Failure.EMPTY
    if parse_tags(completion.text) is not None:
        return None
    return Failure.HALF_REPLY if completion.finish_reason in CUT_OFF else Failure.INVALID_JSON
