"""The features of a batch: text features are computed where they are missing, the rest is read."""

from collections.abc import Sequence

import numpy as np

from annotation.instances.content import text_of
from annotation.instances.models import Instance, Signal
from annotation.judges.models import Judge
from annotation.judges.verdicts import signal_name
from annotation.projects.models import Criterion
from routing.features.habits import Habits
from routing.features.policy import policy_columns
from routing.features.project import ProjectTable, feature_table
from routing.features.services import compute_features, last_encoder
from routing.features.store import text_features
from routing.features.table import FeatureTable, Floats
from routing.strategies.problem import Problem
from routing.strategies.registry import EMBEDDINGS, POLICY
from training.runs.encoders import INCLUDED, can_encode

from .asking import verifier_of
from .models import Stall
from .work import Row, Work
from .writing import Stalled

MICROS = 1_000_000


def features_of(
    work: Work,
    ids: Sequence[int],
    criterion: Criterion | None = None,
    habits: Habits | None = None,
) -> ProjectTable:
    """The features of these instances, in this order; judges' signals on the main criterion or
    the one that is given, and with `habits` the evidence that takes a side.

    Raises:
        Stalled: the strategy reads embeddings, and some are being computed or cannot be.
    """
    about = criterion or work.criterion
    wanted = EMBEDDINGS in work.needs
    table = _read(work, ids, about, habits, embeddings=wanted)
    if table.missing.get("text"):
        _compute(ids)
        table = _read(work, ids, about, habits, embeddings=wanted)
    if wanted and table.missing.get("embedding"):
        _embed(work)
    return table


def _embed(work: Work) -> None:
    """Raises Stalled: until they are computed, or for good where nothing can compute them."""
    chosen = last_encoder(work.project)
    if not can_encode(None if chosen == INCLUDED else chosen):
        raise Stalled(
            Stall.FIT,
            "The strategy reads embeddings, and no encoder is installed here: install one, or "
            "choose a strategy that reads signals and texts alone.",
        )
    compute_features(project=work.project)
    raise Stalled(Stall.FEATURES, "Embeddings of new instances are being computed.")


def with_tiers(work: Work, table: ProjectTable) -> FeatureTable:
    """The features with what the strong judge and the program said, under the strategies' names.

    `strong_p` is the strong judge's P(first preferred); `verifier_exists` 1 where a program checks
    the project's completions, `verifier_known` 1 where it preferred one, 0 where it tied, NaN
    where it did not run; with a strategy that reads them `policy_entropy` and `implicit_margin`.
    """
    found: dict[str, Floats] = {}
    ids = table.ids.tolist()
    if (strong := work.live.strong_judge) is not None:
        found["strong_p"] = _p_of(work, strong, ids)
        found["strong_confidence"] = np.abs(2 * found["strong_p"] - 1)
    if (program := verifier_of(work.project)) is not None:
        p = _p_of(work, program, ids)
        found["verifier_exists"] = np.ones(len(ids))
        found["verifier_known"] = np.where(np.isnan(p), np.nan, (p != 0.5).astype(np.float64))
    if POLICY in work.needs:
        found |= policy_columns(ids)
    # Where a column is there already the one of the chosen judge takes its place.
    kept = [i for i, name in enumerate(table.table.names) if name not in found]
    values = [table.table.values[:, i] for i in kept]
    return FeatureTable(
        (*(table.table.names[i] for i in kept), *found),
        np.column_stack([*values, *found.values()])
        if ids
        else np.empty((0, len(kept) + len(found))),
        table.table.categories,
    )


def _p_of(work: Work, judge: Judge, ids: Sequence[int]) -> Floats:
    """(n,) P(first preferred) by a judge; NaN where it was not asked."""
    rows = Signal.objects.filter(instance__in=ids, name=signal_name("judge_p", judge))
    stored = dict(rows.order_by("pk").values_list("instance_id", "value"))
    return np.array([stored.get(pk, np.nan) for pk in ids], dtype=np.float64)


def _read(
    work: Work,
    ids: Sequence[int],
    criterion: Criterion,
    habits: Habits | None,
    *,
    embeddings: bool,
) -> ProjectTable:
    return feature_table(
        work.project,
        ids,
        judge=work.judge,
        criterion=criterion,
        embeddings=embeddings,
        habits=habits,
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


def problem_of(work: Work, table: ProjectTable, rows: Sequence[Row]) -> Problem:
    """The rows as strategies read them; costs in the currency."""
    return Problem(
        keys=table.keys,
        features=with_tiers(work, table),
        cost=np.array([row.cost / MICROS for row in rows], dtype=np.float64),
        judge=table.judge,
        differences=None if table.differences is None else table.differences.astype(np.float64),
    )
