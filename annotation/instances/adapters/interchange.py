"""Our own interchange format: one instance a line, kept as it is."""

import json
from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .values import has


def fits(row: Row) -> bool:
    if isinstance(row.get("responses"), str):
        return "id" in row and "prompt" in row and row["responses"].startswith("[{")
    if "id" not in row or not has(row, responses=list):
        return False
    own = any(isinstance(each, dict) and "prompt" in each for each in row["responses"])
    return own or "prompt" in row


def instances(row: Row, options: Options) -> Iterator[Instance]:
    """The line as it is; in a table, whose cells are JSON, with the cells opened."""
    opened = dict(row)
    if isinstance(row.get("responses"), str):
        for key in IN_JSON & row.keys():
            opened[key] = _opened(row[key], key)
        opened = {key: value for key, value in opened.items() if key in KEPT and value is not None}
    yield opened


IN_JSON = {"prompt", "responses", "human", "ai", "meta", "tags", "context"}
KEPT = IN_JSON | {"id"}


def _opened(value: Any, key: str) -> Any:
    if not isinstance(value, str) or not value:
        return value or None
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        if key == "prompt":
            return value
        raise Unfit(f"{key} is no JSON") from error


ADAPTER = Adapter(
    name="interchange",
    title="Interchange",
    reads="one instance a line: id, prompt, responses, human and ai labels",
    recognised_by="it has an id, a prompt and a list of responses",
    fits=fits,
    confidence=1.0,
    instances=instances,
    names=False,
)
