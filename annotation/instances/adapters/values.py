"""Reading what a row holds: each function gives a value of its type or says what is wrong."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from .base import Row, Unfit

Turn = dict[str, str]

# What other formats call the roles of a conversation.
ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatbot": "assistant",
}


DAY = 24 * 3600
FIRST_YEAR = 1990


def has(row: Row, **types: type | tuple[type, ...]) -> bool:
    """Whether every named key holds a value of its type (a bool is no number)."""
    return all(
        isinstance(row.get(name), expected)
        and (expected is bool or not isinstance(row.get(name), bool))
        for name, expected in types.items()
    )


def text(row: Row, key: str) -> str:
    """The text under a key; numbers and truth values count as text, as CSV reads them.

    Raises:
        Unfit: there is none.
    """
    value = row.get(key)
    if isinstance(value, bool | int | float):
        return str(value)
    if not isinstance(value, str):
        raise Unfit(f"{key} must be a text")
    return value


def name(row: Row, *keys: str) -> str:
    """The first text that is not blank, or an empty one: a name that may be missing."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if is_whole(value):
            return str(value)
    return ""


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: Any) -> float | None:
    """A finite number, also one written as text; None for everything else. Whole ones are int."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not is_number(value):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else value


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of JSON objects; Parquet's object of lists is turned into one.

    Raises:
        Unfit: it is neither.
    """
    if isinstance(value, Mapping):
        value = across(value)
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise Unfit(f"{what} must be a list of objects")
    return [dict(each) for each in value]


def across(columns: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """{"a": [1, 2]} → [{"a": 1}, {"a": 2}]; None where the columns are not lists of one length."""
    lists = [column for column in columns.values() if isinstance(column, list)]
    if not columns or len(lists) != len(columns) or len({len(each) for each in lists}) != 1:
        return None
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def texts(value: Any, what: str) -> list[str]:
    """A list of texts.

    Raises:
        Unfit: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unfit(f"{what} must be a list of texts")
    return list(value)


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of turns, in OpenAI's words or in ShareGPT's."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(turn, Mapping)
            and isinstance(turn.get("role", turn.get("from")), str)
            and ("content" in turn or "value" in turn)
            for turn in value
        )
    )


def turns(value: Any, what: str) -> list[Turn]:
    """The turns of a conversation; a text is one turn of the user.

    Raises:
        Unfit: it is no conversation, or one with roles or media that cannot be kept.
    """
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not is_conversation(value):
        raise Unfit(f"{what} must be a text or a list of turns with role and content")
    return [_turn(turn, what) for turn in value]


def _turn(turn: Row, what: str) -> Turn:
    role = str(turn.get("role", turn.get("from")))
    if role.lower() not in ROLES:
        raise Unfit(f"a turn of {what} has the role {role[:40]!r}: only {', '.join(KEPT)} are kept")
    content = turn["content"] if "content" in turn else turn["value"]
    return {"role": ROLES[role.lower()], "content": _words(content, what)}


KEPT = sorted(set(ROLES.values()))


def _words(content: Any, what: str) -> str:
    """The text of a turn, also where it is a list of parts that are all text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(_is_text_part(part) for part in content):
        return "".join(part["text"] for part in content)
    raise Unfit(f"a turn of {what} holds something else than text")


def _is_text_part(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str) and not part.get("image")


def shared_turns(first: Sequence[Turn], second: Sequence[Turn]) -> int:
    """How many turns two conversations begin with alike."""
    alike = (one == other for one, other in zip(first, second, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def asked(value: Any, what: str) -> str | list[Turn]:
    """A prompt: a conversation as its turns, and a text as it is.

    Raises:
        Unfit: it is neither.
    """
    return turns(value, what) if is_conversation(value) else text({what: value}, what)


def rest(row: Row, used: frozenset[str] | set[str]) -> dict[str, Any]:
    """What is left of a row: kept as metadata."""
    return {key: value for key, value in row.items() if key not in used and value is not None}


def seconds(value: Any) -> float | None:
    """How long something took; None for what is no time, or longer than a day: a page left open."""
    found = number(value)
    return found if found is not None and 0 <= found <= DAY else None


def moment(value: Any) -> str | None:
    """A time in ISO form: from a text in it, or from seconds since 1970. None for others."""
    try:
        if is_number(value):
            value = datetime.fromtimestamp(value, UTC).isoformat()
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    # A time before there was any such data is a cell that was never filled.
    if found is None or found.year < FIRST_YEAR:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
