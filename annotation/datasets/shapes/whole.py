"""Everything that is known: the labels as they are, with their texts, and the interchange format.

Pure.
"""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from django.utils.translation import gettext_lazy as _

from annotation.datasets.files import LABELS
from annotation.labels.models import AnnotatorKind

from .base import SOURCE, Criteria, Made, Row, Shape, Source, fixed, json_field
from .cases import Labelled

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
TEXTS = ("prompt", "responses", "meta", "tags", "context")
# What a label of the interchange format says beside its ranking, by the stored column.
SAID = {
    "scores": "scores",
    "tie_kind": "tie_kind",
    "strength": "strength",
    "confidence": "confidence",
    "rationale": "rationale",
    "reasons": "reasons",
    "order": "shown_order",
    "seconds": "seconds",
    "unranked": "unranked",
    "created_at": "created_at",
}


def annotations(row: Row, criteria: Criteria) -> Made:
    """One row per label. The labels are read as whole columns, so this is never asked."""
    yield dict(row)


def labels(case: Labelled, criteria: Criteria) -> Made:
    """One row per label, with the texts it is about as JSON."""
    texts = {name: _json(value) for name, value in _texts(case).items()}
    for label in case.labels:
        yield dict(label) | texts | case.source([label])


def interchange(case: Labelled, criteria: Criteria) -> Made:
    """One row per instance, as an import reads it."""
    given: dict[str, list[dict[str, Any]]] = {"human": [], "ai": []}
    for label in case.labels:
        machine = label["kind"] in MACHINES
        given["ai" if machine else "human"].append(_label(label, machine=machine))
    whole = _texts(case) | given
    yield {
        "id": case.instance["instance_id"],
        **{name: _json(value) for name, value in whole.items()},
        "split": case.instance["split"],
        "snapshot": case.instance["snapshot"],
    }


def _texts(case: Labelled) -> dict[str, Any]:
    return {
        "prompt": json.loads(case.instance["messages"]) or None,
        "responses": [_completion(each) for each in case.completions],
        "meta": case.metadata,
        "tags": list(case.instance["tags"]),
        "context": json.loads(case.instance["context"]),
    }


def _completion(row: Row) -> dict[str, Any]:
    said = {
        "text": row["text"],
        "parts": row["parts"],
        "prompt": row["messages"],
        "model": row["generator"],
        "licence": row["licence"],
    }
    return {name: value for name, value in said.items() if value or name == "text"}


def _label(row: Row, *, machine: bool) -> dict[str, Any]:
    attributes = dict(json.loads(row["attributes"]))
    said: dict[str, Any] = {
        "judge" if machine else "annotator": row["annotator"],
        "criterion": row["criterion"],
        "ranking": row["ranking"],
        **{name: row[stored] for name, stored in SAID.items()},
        "edit": attributes.pop("edit", None),
        "attributes": attributes,
        "purpose": row["purpose"] if row["purpose"] != "label" else None,
        "simulated": row["simulated"] or None,
    }
    return {name: value for name, value in said.items() if not _empty(value)}


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, (list, Mapping)) and not value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


NAMES = {field.name for field in LABELS}
SHAPES = {
    "annotations": Shape(
        _("One row per label with everything known of it, without texts: for statistics."),
        annotations,
        fixed(*LABELS, ("snapshot", pa.string())),
        Source.LABELS,
    ),
    "labels": Shape(
        _("The same with the texts each label is about: complete, for any other tool."),
        labels,
        fixed(
            *LABELS,
            *(json_field(name) for name in TEXTS),
            *(field for field in SOURCE if field[0] not in NAMES),
        ),
        Source.CASES,
    ),
    "interchange": Shape(
        _("Tandem's own format: instances with all their labels; an import reads it back whole."),
        interchange,
        fixed(
            ("id", pa.string()),
            *(json_field(name) for name in ("prompt", "responses", "human", "ai")),
            *(json_field(name) for name in ("meta", "tags", "context")),
            # Each label says itself whether it is simulated.
            ("split", pa.string()),
            ("snapshot", pa.string()),
        ),
        Source.CASES,
    ),
}
