"""What the stages of an online round share."""

from functools import cached_property
from typing import Any

from accounts.models import Project
from annotation.judges.models import Judge
from annotation.judges.models import Stage as JudgeStage
from annotation.ledger import services as ledger
from annotation.ledger.models import Budget
from core.exceptions import InvalidInput
from routing.rounds.base import RoundWork
from training.registry import selectors as registry
from training.registry.models import ModelVersion, Stage
from training.runs.models import RunKind

from .options import OnlineOptions, online_options


class Work(RoundWork):
    """A round with its options, and what is derived from them once."""

    @cached_property
    def options(self) -> OnlineOptions:
        return online_options(self.row.options)

    @property
    def tag(self) -> str:
        """What marks the instances of this round."""
        return f"round:{self.row.number}"

    def budget(self, what: str) -> Budget:
        """The round's money for `what`; opened with `budget_micros` where there is none yet."""
        name = f"{what}, round {self.row.number}"
        found = Budget.objects.filter(project=self.project, name=name).first()
        return found or ledger.create_budget(
            project=self.project, name=name, limit_micros=self.options.budget_micros
        )

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
