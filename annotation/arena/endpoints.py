"""Asking a contestant behind a chat-completions endpoint."""

from functools import lru_cache
from typing import Any

from annotation.judges.providers.endpoint import Endpoint, OutcomeUnknown
from core.network import Guarded

from .addresses import address_of
from .models import Contestant
from .sources import Messages, Question, Said

TIMEOUT, ATTEMPTS = 120.0, 3
# Tokens of the chat template around each message, for the upper bound of a price.
TEMPLATE_TOKENS = 16
MOST_CHARACTERS = 200_000


@lru_cache(maxsize=64)
def _endpoint(url: str, key: str, trusted: bool) -> Endpoint:
    """Shared by the jobs of a process: its connections, and its rest after repeated failures."""
    transport = None if trusted else Guarded()
    return Endpoint(url, api_key=key, timeout=TIMEOUT, attempts=ATTEMPTS, transport=transport)


def ask(question: Question) -> Said:
    """The contestant's answer.

    Raises:
        NotBought: refused, unreachable, or not at a public address; nothing is owed.
        OutcomeUnknown: sent, and no usable reply came back; it may have been charged.
        InvalidInput: the contestant has no address.
    """
    contestant = question.contestant
    address = address_of(contestant.endpoint, contestant.base_url)
    reply = _endpoint(address.url, address.key, address.trusted).complete(
        {
            "model": contestant.model,
            "messages": question.messages,
            "max_tokens": question.most_tokens,
            "temperature": contestant.temperature,
        }
    )
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Said(_text(reply), _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens"))


def _tokens(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    return min(value, 2**31 - 1) if isinstance(value, int) and value > 0 else 0


def _text(reply: dict[str, Any]) -> str:
    try:
        text = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise OutcomeUnknown("the reply holds no message") from error
    if not isinstance(text, str) or not text.strip():
        raise OutcomeUnknown("the reply is empty")
    clean = text.encode("utf-8", "replace").decode().replace("\0", "")
    return clean[:MOST_CHARACTERS]


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
