"""Rows of a table as rows of JSON Lines: every cell of a CSV is text."""

from ..base import Row, Unfit
from ..values import is_conversation, number
from .reading import opened

LISTS = frozenset(
    {
        *("ranking", "unranked", "scores", "reasons", "shown_order", "attributes"),
        *("responses", "meta", "tags", "context", "completions", "generators", "licences"),
        *("own_prompts", "parts", "parts_a", "parts_b", "documents"),
    }
)
TURNS = frozenset(
    {"prompt", "chosen", "rejected", "completion", "prompt_chosen", "prompt_rejected"}
)
NUMBERS = frozenset({"strength", "confidence", "seconds"})
TRUTHS = frozenset({"simulated", "label"})
MISSING = frozenset({"split", "source", "prompt"})


def typed(row: Row) -> Row:
    """The row with its lists, turns, numbers and truth values; itself where it has them.

    Raises:
        Unfit: a cell that must be JSON is none.
    """
    if not isinstance(row.get("simulated"), str):
        return row
    return {key: _typed(key, value, row) for key, value in row.items()}


def _typed(key: str, value: object, row: Row) -> object:
    if not isinstance(value, str):
        return value
    if not value and (key in LISTS | MISSING or (key == "rejected" and "gold" in row)):
        return None
    if key in LISTS or (key == "score" and value.startswith("[")):
        return opened(value, key)
    return _plain(key, value)


def _plain(key: str, value: str) -> object:
    if key in NUMBERS:
        return number(value)
    if key in TRUTHS:
        return {"true": True, "false": False}.get(value.lower(), value)
    return _turns(value, key) if key in TURNS and value.startswith("[") else value


def _turns(value: str, key: str) -> object:
    """The turns; a text that only begins like them stays a text."""
    try:
        found = opened(value, key)
    except Unfit:
        return value
    return found if is_conversation(found) else value
