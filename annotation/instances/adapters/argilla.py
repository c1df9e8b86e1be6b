"""Argilla: records with fields, responses by user, suggestions by agent and metadata.

Nested as `Dataset.records.to_list()` and `to_json` give them, flat as `to_list(flatten=True)` and
`to_datasets()` do, and the older FeedbackDataset (`<question>` with a list of responses,
`<question>-suggestion`). Responses that were discarded or are drafts are left out, and vectors.
Schema: argilla-io/argilla, argilla/src/argilla/records/_io/{_generic,_datasets,_json}.py.
"""

import json
from collections.abc import Iterator
from typing import Any

from .base import Adapter, Instance, Options, Row
from .building import instance, own_id
from .forms import answers_by, shown
from .values import name

ABOUT = {"id", "_server_id", "status", "metadata", "vectors", "external_id", "inserted_at"}
ANSWERS = (".responses", ".suggestion")
Given = tuple[str, str, Any]


def fits(row: Row) -> bool:
    if isinstance(row.get("fields"), dict):
        return isinstance(row.get("responses"), dict | list) or "suggestions" in row
    flat = any(key.endswith((".responses", ".responses.users")) for key in row)
    return flat or any(_is_old(row, key) for key in row)


def _is_old(row: Row, key: str) -> bool:
    """Whether a column is a question of a FeedbackDataset."""
    given = row.get(key)
    if f"{key}-suggestion" not in row or not isinstance(given, list | None):
        return False
    each_is = (
        isinstance(each, dict) and {"value", "user_id"} <= each.keys() for each in given or []
    )
    return all(each_is)


def instances(row: Row, options: Options) -> Iterator[Instance]:
    fields, human, ai = _nested(row) if isinstance(row.get("fields"), dict) else _flat(row)
    seen = shown(fields, options)
    yield instance(
        id=own_id("argilla", row, "external_id", "id", "_server_id"),
        prompt=seen.prompt,
        completions=seen.completions,
        human=_signed(answers_by(seen, human), "annotator"),
        ai=_signed(answers_by(seen, ai), "judge"),
        meta=_metadata(row) | seen.rest,
    )


def _signed(found: dict[str, Any], maker: str) -> list[dict[str, Any]]:
    return [label for who, each in found.items() for label in each.signed(maker, who, {})]


def _metadata(row: Row) -> dict[str, Any]:
    given = row.get("metadata")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return {}
    return dict(given) if isinstance(given, dict) else {}


def _nested(row: Row) -> tuple[dict[str, Any], list[Given], list[Given]]:
    human = [
        (_who(each), question, each.get("value"))
        for question, given in _items(row.get("responses"))
        for each in (given if isinstance(given, list) else [])
        if isinstance(each, dict) and _counts(each.get("status"))
    ]
    ai = [
        (name(given, "agent") or "suggestion", question, given.get("value"))
        for question, given in _items(row.get("suggestions"))
        if isinstance(given, dict)
    ]
    return dict(row["fields"]), human, ai


def _counts(status: Any) -> bool:
    return status is None or status == "submitted"


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _who(each: Row) -> str:
    return name(each, "user_id") or "unnamed"


def _flat(row: Row) -> tuple[dict[str, Any], list[Given], list[Given]]:
    fields, human, ai = {}, list[Given](), list[Given]()
    questions = {key.split(ends)[0] for key in row for ends in ANSWERS if ends in key}
    old = {key for key in row if _is_old(row, key)}
    for key, value in row.items():
        if key in old:
            given = value or []
            human += [(_who(each), key, each["value"]) for each in given if _is_kept(each)]
        elif key.removesuffix("-suggestion") in old and value is not None:
            about = row.get(f"{key}-metadata")
            agent = name(about, "agent") if isinstance(about, dict) else ""
            ai.append((agent or "suggestion", key.removesuffix("-suggestion"), value))
        elif key not in ABOUT and not _is_of(key, questions) and "-suggestion" not in key:
            fields[key] = value
    for question in sorted(questions):
        human += _responses(row, question)
        value = row.get(f"{question}.suggestion")
        if value is not None:
            agent = name(row, f"{question}.suggestion.agent") or "suggestion"
            ai.append((agent, question, value))
    return fields, human, ai


def _is_kept(each: Row) -> bool:
    return _counts(each.get("status"))


def _is_of(key: str, questions: set[str]) -> bool:
    return any(key.startswith(f"{question}{ends}") for question in questions for ends in ANSWERS)


def _responses(row: Row, question: str) -> Iterator[Given]:
    given = row.get(f"{question}.responses")
    if not isinstance(given, list):
        return
    users, states = (_padded(row.get(f"{question}.responses.{each}"), len(given)) for each in PARTS)
    for value, user, status in zip(given, users, states, strict=True):
        if _counts(status):
            yield name({"user": user}, "user") or "unnamed", question, value


PARTS = ("users", "status")


def _padded(value: Any, count: int) -> list[Any]:
    """A list of so many values; one that is missing or of another length tells nothing."""
    return value if isinstance(value, list) and len(value) == count else [None] * count


ADAPTER = Adapter(
    name="argilla",
    title="Argilla",
    reads="records with fields, responses and suggestions: ranking, rating, label and text",
    recognised_by="it has fields with responses or suggestions by user and agent",
    fits=fits,
    confidence=0.95,
    instances=instances,
)
