"""MultiPref's own columns and values. Pure."""

import json
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from annotation.projects.models import Kind, TieKind

from .base import SOURCE, Criteria, Made, Row, Shape, Source
from .cases import Labelled, is_data, of_kind, text_of_completion

# MultiPref's own names for three of its four criteria.
MULTIPREF = {"helpfulness": "helpful", "truthfulness": "truthful", "harmlessness": "harmless"}
CONFIDENCE = {1: "not-confident", 2: "not-confident", 3: "fairly-confident", 4: "fairly-confident"}


def multipref(case: Labelled, criteria: Criteria) -> Made:
    """A row per annotator and pair with MultiPref's own columns and values.

    Two answers to different prompts have no row: there is one `text`.
    """
    completions = case.completions
    asked = of_kind(criteria, Kind.PAIRWISE)
    if (
        len(completions) != 2
        or not asked
        or case.prompt(completions[0]) != case.prompt(completions[1])
    ):
        return
    people = {row["annotator"]: row for row in case.labels if is_data(row)}
    metadata = json.loads(case.instance["metadata"])
    turns = case.prompt(completions[0])
    for annotator, any_label in people.items():
        mine = {
            row["criterion"]: row
            for row in case.labels
            if row["annotator"] == annotator and is_data(row)
        }
        yield {
            "comparison_id": case.instance["instance_id"],
            "prompt_id": case.instance["prompt_hash"],
            "text": turns[-1]["content"] if turns else "",
            "completion_a": text_of_completion(completions[0]),
            "completion_b": text_of_completion(completions[1]),
            "model_a": completions[0]["generator"],
            "model_b": completions[1]["generator"],
            **{name: _said(metadata.get(name)) for name in METADATA},
            **{
                name: value
                for criterion in asked
                for name, value in _answers(criterion["key"], mine.get(criterion["key"])).items()
            },
            "evaluator": annotator,
            "cohort": any_label["cohort"],
            "time_spent": next((row["seconds"] for row in mine.values() if row["seconds"]), None),
            "timestamp": any_label["created_at"],
            **case.source(list(mine.values())),
        }


METADATA = ("source", "category", "subject_study", "highest_level_degree")


def _said(value: Any) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _answers(key: str, label: Row | None) -> dict[str, Any]:
    prefix = MULTIPREF.get(key, key)
    sure = label["confidence"] if label else None
    return {
        f"{prefix}_pref": _verdict(label) if label else None,
        f"{prefix}_confidence": CONFIDENCE.get(sure, "absolutely-confident") if sure else None,
        f"{prefix}_checked_reasons": list(label["reasons"]) if label else [],
        f"{prefix}_own_reason": label["rationale"] if label else "",
    }


def _verdict(label: Row) -> str | None:
    """A is the first completion in canonical order, wherever it was shown."""
    if label["tie_kind"] == TieKind.CANNOT_JUDGE or not label["ranking"]:
        return None
    first, second = label["ranking"]
    if first == second:
        return "Tie"
    strong = label["strength"] is None or label["strength"] > 0.5
    better = "clearly" if strong else "slightly"
    return f"{'A' if first < second else 'B'}-is-{better}-better"


def _schema(criteria: Criteria) -> pa.Schema:
    pair = ("comparison_id", "prompt_id", "text", "completion_a", "completion_b")
    head = [(name, pa.string()) for name in (*pair, "model_a", "model_b", *METADATA)]
    answers = [
        (name, pa.list_(pa.string()) if name.endswith("_checked_reasons") else pa.string())
        for row in of_kind(criteria, Kind.PAIRWISE)
        for name in _answers(row["key"], None)
    ]
    tail = [("evaluator", pa.string()), ("cohort", pa.string()), ("time_spent", pa.float64())]
    return pa.schema([*head, *answers, *tail, ("timestamp", pa.string()), *SOURCE])


SHAPES = {
    "multipref": Shape(
        _("A row per annotator and pair with the field names of MultiPref."),
        multipref,
        _schema,
        Source.CASES,
    )
}
