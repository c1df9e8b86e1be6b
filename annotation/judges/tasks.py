"""The job that asks a judge."""

from dataclasses import asdict
from typing import Any

from annotation.instances.models import Instance
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from annotation.projects.selectors import main_criterion
from core.exceptions import NotFound
from jobs.context import JobContext

from .models import Judge
from .services import ask


def run_ask(ctx: JobContext) -> dict[str, Any]:
    """Arguments: judge (id), criterion (key, by default the main one), budget (id or none),
    instances (ids, by default all), retry_unknown. The result is the `AskReport`."""
    arguments = ctx.arguments
    judge = Judge.objects.filter(pk=arguments["judge"], project=ctx.job.project_id).first()
    if judge is None:
        raise NotFound("The project has no such judge.")
    everything = Instance.objects.filter(project=judge.project_id).order_by("pk")
    if arguments.get("instances") is not None:
        everything = everything.filter(pk__in=arguments["instances"])
    report = ask(
        judge=judge,
        instance_ids=list(everything.values_list("pk", flat=True)),
        criterion=_criterion(judge, arguments.get("criterion")),
        budget=_budget(judge, arguments.get("budget")),
        progress=ctx.progress,
        retry_unknown=bool(arguments.get("retry_unknown")),
    )
    ctx.log(f"{judge.name}: {report.answered} answered, {report.failed} failed")
    return asdict(report)


def _criterion(judge: Judge, key: str | None) -> Criterion:
    if key is None:
        return main_criterion(judge.project)
    criterion = Criterion.objects.filter(project=judge.project_id, key=key).first()
    if criterion is None:
        raise NotFound(f"The project has no criterion {key!r}.")
    return criterion


def _budget(judge: Judge, pk: int | None) -> Budget | None:
    if pk is None:
        return None
    budget = Budget.objects.filter(pk=pk, project=judge.project_id).first()
    if budget is None:
        raise NotFound("The project has no such budget.")
    return budget
