"""What the stages of an online round share."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings

from accounts.models import Project
from annotation.judges.models import Judge
from annotation.judges.models import Stage as JudgeStage
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from jobs.context import JobContext
from routing.rounds.models import Round
from training.registry import selectors as registry
from training.registry.models import ModelVersion, Stage
from training.runs.models import RunKind

from .options import OnlineOptions, online_options


@dataclass
class Work:
    """One run of a round's job: the round, its options, and what is derived from them once."""

    context: JobContext
    row: Round

    @property
    def project(self) -> Project:
        return self.row.project

    @cached_property
    def options(self) -> OnlineOptions:
        return online_options(self.row.options)

    @cached_property
    def criterion(self) -> Criterion:
        criterion = self.project.criteria.first()
        if criterion is None:
            raise InvalidInput("The project asks nothing yet: add a criterion.")
        return criterion

    @property
    def folder(self) -> Path:
        """Files of the round; they outlive its job."""
        folder = Path(settings.MEDIA_ROOT) / "rounds" / str(self.row.pk)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def tag(self) -> str:
        """What marks the instances of this round."""
        return f"round:{self.row.number}"

    def noted(self, stage: str, name: str) -> Any:
        """A value of a stage that is done; None where it noted none."""
        return self.row.stages.get(stage, {}).get(name)

    def version(self, role: str) -> ModelVersion | None:
        """The version that `prepare` fixed for "policy" or "reward"."""
        pk = self.noted("prepare", f"{role}_version")
        return registry.version_in(self.project, int(pk)) if pk else None

    @cached_property
    def judge(self) -> Judge:
        """The judge that labels: the named one, or the reward model as a judge.

        Raises:
            InvalidInput: there is no such judge in use.
        """
        in_use = Judge.objects.filter(project=self.project, stage=JudgeStage.ACTIVE)
        found = in_use.filter(name=self.options.judge) if self.options.judge else in_use
        judge = found.exclude(provider="recorded").order_by("pk").first()
        if judge is None:
            known = ", ".join(in_use.values_list("name", flat=True)) or "none"
            raise InvalidInput(
                f"There is no judge {self.options.judge!r} in use here (in use: {known})."
            )
        return judge


def chosen_version(project: Project, kind: RunKind, name: str) -> ModelVersion | None:
    """The version called "production", "last" or by its id; None for "" and where there is none.

    Raises:
        InvalidInput: an id that is no version of this kind, or a word that means none.
    """
    if name == "production":
        return registry.production(project, kind)
    versions = registry.versions_of(project).filter(kind=kind).exclude(stage=Stage.ARCHIVED)
    if name in {"", "last"}:
        return versions.first() if name else None
    found = versions.filter(pk=int(name)).first() if name.isdecimal() else None
    if found is None:
        raise InvalidInput(
            f"The project has no {kind.label.lower()} {name!r}: give production, last or its id."
        )
    return found
