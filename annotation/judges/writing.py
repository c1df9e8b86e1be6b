"""Judges' labels and signals in one statement each: a run writes a hundred every second."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from annotation.labels.models import Annotation

ANNOTATIONS = """
INSERT INTO annotation_annotation (created_at, project_id, annotator_id, criterion_id, purpose,
  unranked, reasons, retracted, instance_id, guideline_id, ranking, scores, tie_kind, rationale,
  attributes, client_id, payload_hash, decision_id, supersedes_id)
SELECT clock_timestamp(), %s, %s, %s, %s, '{}', '{}', false, v.instance_id, v.guideline_id,
  v.ranking::smallint[], v.scores::smallint[], v.tie_kind, v.rationale, v.attributes::jsonb,
  v.client_id, v.payload_hash, v.decision_id, v.supersedes_id
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::text[], %s::uuid[], %s::text[], %s::uuid[], %s::bigint[]) AS v(instance_id, guideline_id,
  ranking, scores, tie_kind, rationale, attributes, client_id, payload_hash, decision_id,
  supersedes_id)
RETURNING client_id, id
"""
SIGNALS = """
INSERT INTO annotation_signal (instance_id, name, version, value)
SELECT v.instance_id, v.name, %s, v.value
FROM unnest(%s::bigint[], %s::text[], %s::float8[]) AS v(instance_id, name, value)
ON CONFLICT (instance_id, name, version) DO UPDATE SET value = excluded.value
"""


def write_annotations(rows: Sequence[Annotation]) -> None:
    """Insert labels of one annotator on one criterion, and give each row its id."""
    if not rows:
        return
    first = rows[0]
    same: list[Any] = [first.project_id, first.annotator_id, first.criterion_id, str(first.purpose)]
    columns = [list(column) for column in zip(*map(_values, rows), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(ANNOTATIONS, [*same, *columns])
        ids = dict(cursor.fetchall())
    for row in rows:
        row.pk = ids[row.client_id]


def write_signals(version: str, signals: Iterable[tuple[int, str, float]]) -> None:
    """Insert or change signals: (instance id, name, value), each name once for an instance."""
    columns = [list(column) for column in zip(*signals, strict=True)]
    if columns:
        with connection.cursor() as cursor:
            cursor.execute(SIGNALS, [version, *columns])


def _values(row: Annotation) -> tuple[Any, ...]:
    return (
        row.instance_id,
        row.guideline_id,
        array(row.ranking),
        array(row.scores),
        str(row.tie_kind),
        row.rationale,
        json.dumps(row.attributes, ensure_ascii=False),
        row.client_id,
        row.payload_hash,
        row.decision_id,
        row.supersedes_id,
    )


def array(values: Sequence[float | None]) -> str:
    """A PostgreSQL array as text: rows of different lengths travel in one list."""
    return "{" + ",".join("NULL" if value is None else repr(value) for value in values) + "}"
