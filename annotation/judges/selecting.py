"""Which instances a judge is asked about."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation
from annotation.labels.selectors import current
from annotation.projects.models import Criterion
from annotation.projects.selectors import guideline_of
from core.exceptions import InvalidInput

from .models import CallState, Judge, JudgeCall

ALL, UNLABELLED, STALE, FAILED, TAG, INSTANCES = (
    "all",
    "unlabelled",
    "stale",
    "failed",
    "tag",
    "instances",
)


def selected(
    judge: Judge, criteria: Sequence[Criterion], selection: Mapping[str, Any]
) -> QuerySet[Instance]:
    """The instances that a selection names, in the order they are asked about.

    `of` is `all`; `unlabelled` (one of the criteria has no label of the judge); `stale` (its label
    was made under an older guideline); `failed` (a call failed, and there is no label); `tag` with
    `tag`; `instances` with `instances`, their ids. `most`: so many of them at most, drawn evenly
    and always the same. Dropped instances are never asked about.

    Raises:
        InvalidInput: `of` says something else.
    """
    rows = Instance.objects.filter(project=judge.project_id).exclude(state=InstanceState.DROPPED)
    rows = rows.filter(_condition(judge, criteria, selection))
    if most := selection.get("most"):
        # The hash of the content is as good as a draw, and gives the same instances again.
        return rows.order_by("content_hash")[: int(most)]
    return rows.order_by("pk")


def _condition(judge: Judge, criteria: Sequence[Criterion], selection: Mapping[str, Any]) -> Q:
    of = selection.get("of", ALL)
    if of == ALL:
        return Q()
    if of == INSTANCES:
        return Q(pk__in=selection.get("instances", []))
    if of == TAG:
        return Q(tags__contains=[selection.get("tag", "")])
    if of not in (UNLABELLED, STALE, FAILED):
        raise InvalidInput(_("Choose which instances the judge is asked about."))
    test = {UNLABELLED: _without, STALE: _stale, FAILED: _failed}[of]
    found = Q(pk__in=[])
    for criterion in criteria:
        found |= test(judge, criterion)
    return found


def _labels(judge: Judge, criterion: Criterion) -> QuerySet[Annotation]:
    labels = current(judge.project, excluded=True)
    return labels.filter(annotator__judge=judge, criterion=criterion, instance=OuterRef("pk"))


def _without(judge: Judge, criterion: Criterion) -> Q:
    return ~Q(Exists(_labels(judge, criterion)))


def _stale(judge: Judge, criterion: Criterion) -> Q:
    newest = guideline_of(judge.project)
    if newest is None:
        return Q(pk__in=[])
    return Q(Exists(_labels(judge, criterion).filter(guideline__version__lt=newest.version)))


def _failed(judge: Judge, criterion: Criterion) -> Q:
    failed = JudgeCall.objects.filter(
        judge=judge, criterion=criterion, instance=OuterRef("pk"), state=CallState.FAILED
    )
    return Q(Exists(failed)) & ~Q(Exists(_labels(judge, criterion)))
