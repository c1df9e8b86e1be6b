"""The features of a batch: text features are computed where they are missing, the rest is read."""

from collections.abc import Sequence

import numpy as np

from annotation.instances.content import text_of
from annotation.instances.models import Instance
from routing.features.project import ProjectTable, feature_table
from routing.features.store import text_features
from routing.strategies.problem import Problem
from routing.strategies.registry import EMBEDDINGS

from .work import Row, Work

MICROS = 1_000_000


def features_of(work: Work, ids: Sequence[int]) -> ProjectTable:
    """The features of these instances, in this order."""
    wanted = EMBEDDINGS in work.spec.needs
    table = _read(work, ids, embeddings=wanted)
    if table.missing.get("text"):
        _compute(ids)
        table = _read(work, ids, embeddings=wanted)
    return table


def _read(work: Work, ids: Sequence[int], *, embeddings: bool) -> ProjectTable:
    return feature_table(
        work.project, ids, judge=work.judge, criterion=work.criterion, embeddings=embeddings
    )


def _compute(ids: Sequence[int]) -> None:
    """Text features are cheap: a batch does not wait for the job of the whole project."""
    rows = Instance.objects.filter(pk__in=ids).prefetch_related("completions")
    text_features(
        {
            row.pk: (
                "\n".join(text_of(turn["content"]) for turn in row.messages),
                [each.whole_text for each in row.completions.all()],
            )
            for row in rows
        }
    )


def problem_of(table: ProjectTable, rows: Sequence[Row]) -> Problem:
    """The rows as strategies read them; costs in the currency."""
    return Problem(
        keys=table.keys,
        features=table.table,
        cost=np.array([row.cost / MICROS for row in rows], dtype=np.float64),
        judge=table.judge,
        differences=table.differences,
    )
