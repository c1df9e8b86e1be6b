"""Promoting a draft: it labels from now on, what it said on trial counts, the older one retires."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.judges.mined import is_mined
from annotation.judges.models import (
    CallPurpose,
    CallState,
    Judge,
    JudgeCall,
    JudgeRun,
    Prompt,
    RunState,
    Stage,
)
from annotation.judges.verdicts import label
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion
from audit.services import record
from core.exceptions import Conflict

GOING = (RunState.WAITING, RunState.RUNNING)


@dataclass(frozen=True)
class Consequences:
    """What promoting a draft would do."""

    judge: Judge
    # The active judge that it takes the place of.
    older: Judge | None
    # Instances whose stored replies become labels, and the labels of the older judge, which stay.
    instances: int
    older_labels: int


def consequences_of(judge: Judge) -> Consequences:
    """What promoting the draft would do; changes nothing."""
    older = _older(judge)
    mine = _answered(judge).order_by().values("instance", "criterion").distinct()
    kept = Annotation.objects.filter(annotator__judge=older).count() if older else 0
    return Consequences(judge, older, mine.count(), kept)


def _older(judge: Judge) -> Judge | None:
    """The active one of the line that the draft came from."""
    rows = Judge.objects.filter(project=judge.project_id)
    parents = dict(rows.values_list("pk", "replaces"))
    line = set(_line(judge.replaces_id, parents))
    active = rows.filter(stage=Stage.ACTIVE).order_by("-pk")
    return next((each for each in active if line & set(_line(each.pk, parents))), None)


def _line(pk: int | None, parents: Mapping[int, int | None]) -> Iterator[int]:
    """A judge and those it stands in for, newest first."""
    while pk is not None:
        yield pk
        pk = parents.get(pk)


def _answered(judge: Judge) -> QuerySet[JudgeCall]:
    return JudgeCall.objects.filter(
        judge=judge, state=CallState.ANSWERED, purpose=CallPurpose.LABEL
    )


@transaction.atomic
def promote(*, judge: Judge, by: User | None) -> Judge:
    """Make a draft active, retire the one it replaces, and label from its stored replies.

    Nothing is asked again and nothing is bought; labels of the older judge stay.

    Raises:
        Conflict: it is no draft any more, or it is being asked.
    """
    judge = Judge.objects.select_for_update(of=["self"]).select_related("prompt").get(pk=judge.pk)
    if judge.stage != Stage.DRAFT or is_mined(judge.prompt):
        raise Conflict(_("This is no draft of a judge any more: somebody has promoted it."))
    if JudgeRun.objects.filter(judge=judge, state__in=GOING).exists():
        raise Conflict(_("It is being tried still: wait for that, or cancel it."))
    older = _older(judge)
    if older is not None:
        Judge.objects.filter(pk=older.pk).update(stage=Stage.RETIRED)
        judge.replaces = older
    judge.stage = Stage.ACTIVE
    judge.save(update_fields=["stage", "replaces"])
    if judge.prompt is not None:
        Prompt.objects.filter(pk=judge.prompt.pk).update(promoted_at=timezone.now())
    labels = _label(judge)
    record(
        action="judge promoted",
        actor=by,
        project=judge.project,
        target=judge.name,
        prompt=str(judge.prompt or judge.prompt_version),
        retired=older.name if older else "",
        labels=labels,
    )
    return judge


def _label(judge: Judge) -> int:
    """Labels from the replies there are; returns how many instances have one."""
    done = 0
    keys = set(_answered(judge).order_by().values_list("criterion", flat=True).distinct())
    for criterion in Criterion.objects.filter(pk__in=keys):
        rows = _answered(judge).filter(criterion=criterion).order_by()
        instances = list(rows.values_list("instance", flat=True).distinct())
        done += label(judge, criterion, instances, {})["answered"]
    return done
