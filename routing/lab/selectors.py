"""What there is of replays."""

from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.models import Project
from annotation.instances.models import Origin, RecordedLabel, Signal
from annotation.judges.models import Judge, Stage
from annotation.judges.verdicts import signal_name

from .contestants import ALONE, SIGNAL
from .models import Replay
from .replay import DEFAULT_ARMS

MORE_ARMS = (
    "hyper-quadratic",
    "hyper-boosted",
    "d-optimal",
    "small-margin",
    "reward-uncertainty",
)


@dataclass(frozen=True)
class Choice:
    """A strategy one can ask for."""

    key: str
    chosen: bool


def replays_of(project: Project) -> QuerySet[Replay]:
    """Newest first, without the standing ones."""
    rows = Replay.objects.filter(project=project, standing=False)
    return rows.select_related("job", "created_by").order_by("-id")


def replay_of(project: Project, pk: int) -> Replay | None:
    return Replay.objects.filter(project=project, pk=pk).select_related("job").first()


def standing_of(project: Project) -> Replay | None:
    """The newest standing comparison that has figures. One query."""
    rows = Replay.objects.filter(project=project, standing=True, figures__isnull=False)
    return rows.order_by("-id").first()


def judges_of(project: Project) -> list[Judge]:
    """Judges that have labelled something here, or came with recorded labels."""
    judges = list(Judge.objects.filter(project=project).exclude(stage=Stage.DRAFT).order_by("name"))
    recorded = set(
        RecordedLabel.objects.filter(instance__project=project)
        .exclude(origin=Origin.HUMAN)
        .order_by()
        .values_list("annotator", flat=True)
        .distinct()
    )
    names = [signal_name("judge_p", judge) for judge in judges]
    said = set(
        Signal.objects.filter(instance__project=project, name__in=names)
        .order_by()
        .values_list("name", flat=True)
        .distinct()
    )
    return [
        judge
        for judge, name in zip(judges, names, strict=True)
        if name in said or {judge.model, judge.name} & recorded
    ]


def choices() -> list[Choice]:
    """The strategies a replay can try, the usual ones chosen."""
    usual = [*DEFAULT_ARMS, "judge-uncertainty", *(f"{SIGNAL}{name}" for name in ALONE)]
    return [*(Choice(key, True) for key in usual), *(Choice(key, False) for key in MORE_ARMS)]
