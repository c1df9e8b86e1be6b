"""Reading snapshots and exports, and the prompts that go into a new one."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from accounts.models import Project
from annotation.consensus.models import Consensus

from .filters import consensus_where
from .labels import DATA, Labels
from .models import Export, Snapshot
from .queries import EVERY


def chosen(labels: Labels) -> QuerySet[Consensus]:
    """The consensus rows of the instances that the query lets in."""
    rows = consensus_where(labels.project, labels.query)
    return rows.filter(instance__in=labels.instances().order_by().values("pk"))


def prompts(labels: Labels, *, scored: bool) -> QuerySet[Any, str]:
    """The hashes of the prompts that are drawn: those of consensus rows, or of labels that are
    data where a query has none of those rows; every prompt once."""
    query: Mapping[str, Any] = labels.query
    if query["criterion"] == EVERY or scored or labels.narrowed:
        answers = labels.all().filter(purpose__in=DATA)
        if query["criterion"] != EVERY:
            answers = answers.filter(criterion__key=query["criterion"])
        rows: QuerySet[Any, Any] = labels.instances().filter(pk__in=answers.values("instance"))
        return rows.order_by().values_list("prompt_hash", flat=True).distinct()
    found = chosen(labels).order_by()
    return found.values_list("instance__prompt_hash", flat=True).distinct()


def snapshots_of(project: Project) -> QuerySet[Snapshot]:
    """Newest first."""
    return Snapshot.objects.filter(project=project).order_by("-pk")


def exports_of(project: Project) -> QuerySet[Export]:
    """Newest first, with their snapshots."""
    exports = Export.objects.filter(snapshot__project=project)
    return exports.select_related("snapshot").order_by("-pk")
