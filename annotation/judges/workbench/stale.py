"""Judge labels made under a guideline that is not the current one any more."""

from dataclasses import dataclass

from django.db.models import Count, F, Min, QuerySet

from accounts.models import Project
from annotation.judges.models import Judge, Stage
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.labels.selectors import current
from annotation.projects.selectors import guideline_of


@dataclass(frozen=True)
class Stale:
    """A judge with labels under an older guideline; `oldest` is the version of the oldest one."""

    judge: Judge
    labels: int
    oldest: int

    @property
    def can_ask(self) -> bool:
        """A retired judge is asked no more."""
        return self.judge.stage == Stage.ACTIVE


def stale_labels(project: Project) -> QuerySet[Annotation]:
    """Standing labels of judges whose guideline is older than the current one."""
    newest = guideline_of(project)
    labels = current(project, excluded=True).filter(
        annotator__kind=AnnotatorKind.JUDGE, annotator__judge__isnull=False
    )
    if newest is None:
        return labels.none()
    return labels.filter(guideline__version__lt=newest.version)


def stale(project: Project) -> list[Stale]:
    """Judges with labels made under an older guideline, most labels first. Three queries."""
    rows = (
        stale_labels(project)
        .order_by()
        .values(judge=F("annotator__judge"))
        .annotate(labels=Count("pk"), oldest=Min("guideline__version"))
    )
    found = {row["judge"]: row for row in rows}
    judges = Judge.objects.filter(pk__in=found).select_related("prompt")
    return sorted(
        (Stale(judge, found[judge.pk]["labels"], found[judge.pk]["oldest"]) for judge in judges),
        key=lambda row: (-row.labels, row.judge.pk),
    )
