"""The labels that a dashboard counts: all of a period, or where they are many those of a sample."""

import json

from django.db.models import F, Func, IntegerField, QuerySet
from django.db.models.functions import Mod

from accounts.models import Project
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Criterion
from annotation.queue.purposes import Purpose

from .periods import Period

# Of so many labels every figure is counted in well under a second.
MANY = 200_000


def labels_in(
    project: Project,
    period: Period,
    criterion: Criterion | None = None,
    *,
    excluded: bool = False,
) -> QuerySet[Annotation]:
    """The labels of the period that stand, on one criterion or on all.

    They are those of `labels.selectors.current`, but what was superseded and who is excluded are
    short lists in which a row is looked up: joined to a million labels they cost seconds.
    """
    superseded = Annotation.objects.filter(project=project, supersedes__isnull=False)
    rows = _of(project, period, criterion).filter(
        retracted=False, purpose__in=(Purpose.LABEL, Purpose.REVIEW)
    )
    rows = rows.exclude(pk__in=superseded.values("supersedes"))
    if excluded:
        return rows
    gone = Annotator.objects.filter(project=project, excluded_at__isnull=False)
    return rows.exclude(annotator__in=gone)


def _of(project: Project, period: Period, criterion: Criterion | None) -> QuerySet[Annotation]:
    rows = Annotation.objects.filter(
        project=project, created_at__gte=period.start, created_at__lt=period.end
    )
    return rows if criterion is None else rows.filter(criterion=criterion)


def roughly(project: Project, period: Period, criterion: Criterion | None = None) -> int:
    """About how many labels that is, as PostgreSQL plans: it costs nothing."""
    plan = json.loads(_of(project, period, criterion).explain(format="json"))
    return int(plan[0]["Plan"]["Plan Rows"])


def share_of(number: int, many: int = MANY) -> int:
    """1 in so many instances is enough where there are about `number` labels."""
    return 1 + number // many


def sampled(labels: QuerySet[Annotation], every: int) -> QuerySet[Annotation]:
    """The labels on 1 in `every` instances, always the same ones."""
    if every == 1:
        return labels
    drawn = Func(F("instance_id"), function="hashint8", output_field=IntegerField())
    return labels.annotate(place=Mod(drawn, every)).filter(place=0)
