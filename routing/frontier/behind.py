"""The dual-labelled instances behind one column of a router."""

from dataclasses import dataclass

import numpy as np
from django.db.models import Count
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.projects.selectors import main_criterion
from core.exceptions import NotFound
from routing.decisions.models import Decision, Router
from routing.features.binning import Binning
from routing.features.project import feature_table
from routing.live.models import LiveRouting

from .labelled import dual_labelled, judge_beside

MOST = 100


@dataclass(frozen=True)
class Behind:
    """One instance: P(first preferred) by people and by the judge."""

    instance: Instance
    human: float
    judge: float

    @property
    def agree(self) -> bool:
        return bool(np.sign(self.human - 0.5) == np.sign(self.judge - 0.5))


def columns_of(router: Router) -> tuple[str, ...]:
    """The 0/1 columns that instances can be listed by; empty where it has none."""
    stored = router.parameters.get("binning")
    return Binning.from_json(stored).columns if stored else ()


def behind(project: Project, router: Router, column: str) -> tuple[list[Behind], int]:
    """(at most `MOST` instances with the column, disagreements first; how many there are).

    Raises:
        NotFound: the router has no such column.
    """
    columns = columns_of(router)
    if column not in columns:
        raise NotFound(_("This router has no such column."))
    live = LiveRouting.objects.filter(project=project).select_related("judge").first()
    judge = judge_beside(project, router, live or LiveRouting(project=project))
    if judge is None:
        return [], 0
    dual = dual_labelled(project, judge, router.criterion or main_criterion(project))
    ids = np.array(dual.ids, dtype=np.int64)[~dual.fresh]
    table = feature_table(project, ids.tolist(), judge=judge, criterion=router.criterion)
    one_hot = Binning.from_json(router.parameters["binning"]).one_hot(table.table)
    has = np.flatnonzero(one_hot[:, columns.index(column)])
    human, said = dual.human[~dual.fresh], dual.judge[~dual.fresh]
    # The widest apart first: they are what a human label changed.
    order = has[np.argsort(-np.abs(human[has] - said[has]), kind="stable")]
    kept = order[:MOST]
    rows = Instance.objects.in_bulk(ids[kept].tolist())
    found = [Behind(rows[int(ids[i])], float(human[i]), float(said[i])) for i in kept]
    return found, len(has)


def decision_counts(project: Project) -> dict[int, dict[str, int]]:
    """By router and destination how many decisions were made under it. One query."""
    counts: dict[int, dict[str, int]] = {}
    rows = Decision.objects.filter(project=project, router__isnull=False, criterion__isnull=True)
    for pk, destination, count in rows.values_list("router", "destination").annotate(
        count=Count("id")
    ):
        counts.setdefault(pk, {})[destination] = count
    return counts
