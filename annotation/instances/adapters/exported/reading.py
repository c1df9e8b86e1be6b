"""What every shape of our exports has in its rows."""

import json
from collections.abc import Sequence
from typing import Any

from ..base import Row, Unfit
from ..building import said
from ..values import Turn, asked, is_conversation, name, number, turns

Rows = Sequence[Row]
CONSENSUS = "consensus"


def id_of(row: Row) -> str:
    return name(row, "instance_id")


def opened(value: Any, what: str) -> Any:
    """A JSON column: text in tables, the value itself in JSON Lines."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise Unfit(f"{what} is no JSON") from error


def prompt_of(value: Any, what: str = "the prompt") -> str | list[Turn]:
    """Turns, also as the JSON of them."""
    if isinstance(value, str) and value.startswith("["):
        found = opened(value, what)
        return turns(found, what) if is_conversation(found) else value
    return asked(value, what)


def meta_of(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("split", "source") if row.get(key) is not None}


def said_of(row: Row, *columns: str) -> dict[str, Any]:
    """The numbers of a consensus, and whether it is simulated."""
    numbers = {column: number(row.get(column)) for column in columns}
    simulated = {"simulated": True} if row.get("simulated") is True else {}
    return said(attributes=said(**numbers)) | simulated
