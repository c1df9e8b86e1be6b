"""Asking a contestant behind a chat-completions endpoint."""

import asyncio
from functools import lru_cache

from annotation.judges.models import Failure
from annotation.judges.providers.base import Completion, ProviderError
from annotation.judges.providers.openai_chat import OpenAIChat
from annotation.judges.providers.wire import Wire
from annotation.judges.running.breaker import Breaker
from annotation.judges.running.policy import back_off
from core.network import PUBLIC

from .addresses import Address, address_of
from .models import Contestant
from .sources import Messages, Question, Said

TIMEOUT, ATTEMPTS = 120.0, 3
# Tokens of the chat template around each message, for the upper bound of a price.
TEMPLATE_TOKENS = 16
MOST_CHARACTERS = 200_000


class NotBought(Exception):
    """The endpoint answered that it did nothing, or was never reached: nothing is owed."""


class OutcomeUnknown(Exception):
    """The question was sent and no whole reply came back: it may have been charged."""


@lru_cache(maxsize=64)
def _breaker(_address: Address) -> Breaker:
    """Shared by the jobs of a process: an endpoint that is down rests."""
    return Breaker()


def ask(question: Question) -> Said:
    """The contestant's answer.

    Raises:
        NotBought: refused, unreachable, or not at a public address; nothing is owed.
        OutcomeUnknown: sent, and no usable reply came back; it may have been charged.
        InvalidInput: the contestant has no address.
    """
    contestant = question.contestant
    said = asyncio.run(_ask(question, address_of(contestant.endpoint, contestant.base_url)))
    if not said.text.strip():
        raise OutcomeUnknown("the reply is empty")
    return Said(said.text[:MOST_CHARACTERS], said.input_tokens or 0, said.output_tokens or 0)


async def _ask(question: Question, address: Address) -> Completion:
    chat = _chat(question.contestant, address)
    breaker, last = _breaker(address), ""
    try:
        for attempt in range(ATTEMPTS):
            if not breaker.allows(1):
                raise NotBought(f"the endpoint is resting after repeated failures; last: {last}")
            breaker.sent()
            try:
                said = await chat.complete(
                    messages=question.messages, max_tokens=question.most_tokens
                )
            except ProviderError as error:
                _tell(breaker, error)
                last = str(error)
                if error.unknown:
                    raise OutcomeUnknown(last) from error
                if not error.retry:
                    raise NotBought(last) from error
                if attempt + 1 < ATTEMPTS:
                    await asyncio.sleep(back_off(attempt) if error.wait is None else error.wait)
            else:
                breaker.answered()
                return said
    finally:
        await chat.close()
    raise NotBought(f"gave up after {ATTEMPTS} attempts; last: {last}")


def _chat(contestant: Contestant, address: Address) -> OpenAIChat:
    wire = Wire(
        address.url,
        headers={"Authorization": f"Bearer {address.key}"} if address.key else {},
        key=address.key,
        timeout=TIMEOUT,
        reach=PUBLIC.with_url(address.url) if address.trusted else PUBLIC,
    )
    fields = {"temperature": contestant.temperature}
    return OpenAIChat(wire, model=contestant.model, fields=fields)


def _tell(breaker: Breaker, error: ProviderError) -> None:
    """Being told to wait is no failure, and a refusal is an answer."""
    if error.failure == Failure.RATE_LIMIT:
        breaker.told_to_wait()
    elif error.retry or error.unknown:
        breaker.failed(str(error))
    else:
        breaker.answered()


def ceiling(contestant: Contestant, messages: Messages, most_tokens: int) -> int:
    """The most micros an answer can cost: a token is at least one byte."""
    tokens = sum(len(each["content"].encode()) + TEMPLATE_TOKENS for each in messages)
    return price(contestant, tokens, most_tokens)


def price(contestant: Contestant, input_tokens: int, output_tokens: int) -> int:
    """Micros of so many tokens, rounded up."""
    by_token = (
        input_tokens * contestant.price_per_1k_input_micros
        + output_tokens * contestant.price_per_1k_output_micros
    )
    return -(-by_token // 1000)
