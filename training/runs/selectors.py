"""Reads about runs: lists, curves and comparisons."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Max, QuerySet
from django.db.models.functions import Mod
from django.utils.translation import gettext as _

from accounts.models import Project
from core.exceptions import NotFound

from .config import DERIVED
from .models import Metric, Run

Series = list[tuple[int, float]]
MOST_POINTS = 1000


def runs_of(project: Project) -> QuerySet[Run]:
    """The project's runs, newest first, with what a list shows of each. One query."""
    return (
        Run.objects.filter(project=project)
        .select_related("job", "snapshot", "created_by", "model_version")
        .order_by("-pk")
    )


def run_in(project: Project, run_id: int) -> Run:
    """One run of the project.

    Raises:
        NotFound: there is no such run in this project.
    """
    run = runs_of(project).select_related("project").filter(pk=run_id).first()
    if run is None:
        raise NotFound(_("There is no such run in this project."))
    return run


def curve(run: Run) -> dict[str, dict[str, Series]]:
    """Figures by split ("warmup", "train", "eval") and name, each as (step, value) by step.

    A split of more than 1000 steps is thinned evenly; its last step is always there. One query,
    and one more per split.
    """
    rows = Metric.objects.filter(run=run)
    counted = rows.order_by().values_list("split").annotate(Count("pk"), Max("step"))
    return {split: _series(rows.filter(split=split), count, last) for split, count, last in counted}


def _series(rows: QuerySet[Metric], count: int, last: int) -> dict[str, Series]:
    every = max(-(-count // MOST_POINTS), 1)
    thinned = rows.annotate(rest=Mod(last - F("step"), every)).filter(rest=0).order_by("step")
    found: dict[str, Series] = defaultdict(list)
    for step, values in thinned.values_list("step", "values"):
        for name, value in values.items():
            if isinstance(value, (int, float)):
                found[name].append((step, float(value)))
    return dict(found)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. Lists are in the order of `runs`; a missing value is None."""

    runs: list[Run]
    # Settings in which the runs differ, by dotted name.
    settings: dict[str, list[Any]]
    # Held-out figures of the reports.
    figures: dict[str, list[float | None]]


def compare(runs: Sequence[Run]) -> Comparison:
    """What differs between the runs, and what each reached on its held-out split."""
    chosen = [flat(settings_of(run)) | {"snapshot": str(run.snapshot)} for run in runs]
    differing = {
        name: [values.get(name) for values in chosen]
        for name in dict.fromkeys(name for values in chosen for name in values)
        if len({str(values.get(name)) for values in chosen}) > 1
    }
    reports = [run.report.get("eval", {}) for run in runs]
    figures = {
        name: [report.get(name) for report in reports]
        for name in dict.fromkeys(name for report in reports for name in report)
        if all(isinstance(report.get(name, 0.0), (int, float)) for report in reports)
    }
    return Comparison(list(runs), differing, figures)


def settings_of(run: Run) -> dict[str, Any]:
    """The run's configuration without what follows from the run (paths, threads, notes)."""
    return {name: value for name, value in run.config.items() if name not in DERIVED}


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def runs_among(project: Project, ids: Sequence[int]) -> list[Run]:
    """Those runs of the project, in the order of the ids; unknown ids are left out. One query."""
    found = {run.pk: run for run in runs_of(project).filter(pk__in=ids)}
    return [found[pk] for pk in dict.fromkeys(ids) if pk in found]
