"""What a call to a judge costs, in millionths of the currency unit. Pure arithmetic."""

from collections.abc import Mapping, Sequence

from .models import Judge

# Tokens of the chat template around each message, for upper bounds.
TEMPLATE_TOKENS = 16
# Characters of a token in ordinary text, for expectations; bounds count bytes.
CHARACTERS_PER_TOKEN = 4


def price(judge: Judge, input_tokens: int, output_tokens: int) -> int:
    """What a call with so many tokens costs, rounded up; less in batches (`use_batch_prices`)."""
    by_token = (
        input_tokens * judge.price_per_1k_input_micros
        + output_tokens * judge.price_per_1k_output_micros
    )
    whole = 1000 * judge.price_per_call_micros + by_token
    return -(-whole * judge.price_percent // 100_000)


def use_batch_prices(judge: Judge) -> None:
    """From now on, this judge in memory is charged what its connection takes for batches."""
    if judge.connection is not None:
        judge.price_percent = judge.connection.batch_price_percent


def most_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    """The most tokens the messages can have: a token is at least one byte."""
    return sum(len(m["content"].encode()) + TEMPLATE_TOKENS for m in messages)


def likely_tokens(messages: Sequence[Mapping[str, str]]) -> int:
    """About how many tokens the messages have."""
    characters = sum(len(m["content"]) for m in messages)
    return -(-characters // CHARACTERS_PER_TOKEN) + len(messages) * CHARACTERS_PER_TOKEN


def ceiling(judge: Judge, messages: Sequence[Mapping[str, str]], max_tokens: int) -> int:
    """The most that a call can cost: what is reserved before it is made."""
    return price(judge, most_tokens(messages), max_tokens)


def charged(
    judge: Judge, input_tokens: int | None, output_tokens: int | None, *, otherwise: int
) -> int:
    """The price by the usage told; what was reserved (`otherwise`) where none was."""
    if input_tokens is None or output_tokens is None or not (input_tokens or output_tokens):
        return otherwise
    return price(judge, input_tokens, output_tokens)
