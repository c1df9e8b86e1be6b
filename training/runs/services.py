"""Starting, stopping and resuming runs, and writing down what they report."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.datasets.models import Snapshot
from audit.services import record
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.exceptions import JobFenced
from jobs.models import HELD, Job
from training.registry.models import ModelVersion
from training.registry.services import register_model

from .config import fit_config
from .models import Metric, Run, RunKind

FIT = "training.fit"


@transaction.atomic
def start_run(
    *,
    project: Project,
    kind: str,
    snapshot: Snapshot,
    options: dict[str, Any],
    created_by: User | None = None,
    name: str = "",
    parent: Job | None = None,
    unique_key: str = "",
) -> Run:
    """Check the options, write the run and submit its job; nothing is written on a refusal.

    Options are described at `training.runs.config.fit_config`.

    Raises:
        InvalidInput: an option makes no sense, or the snapshot is another project's.
        Conflict: a job with the same `unique_key` is active.
    """
    run = create_run(
        project=project,
        kind=kind,
        snapshot=snapshot,
        options=options,
        created_by=created_by,
        name=name,
    )
    run.job = jobs.submit(
        kind=FIT,
        project=project,
        arguments={"run": run.pk},
        created_by=created_by,
        unique_key=unique_key or f"run:{run.pk}",
        parent=parent,
    )
    run.save(update_fields=["job"])
    return run


@transaction.atomic
def create_run(
    *,
    project: Project,
    kind: str,
    snapshot: Snapshot,
    options: dict[str, Any],
    created_by: User | None = None,
    name: str = "",
    job: Job | None = None,
) -> Run:
    """The row of a run, with its complete configuration; `job` is the one that will run it.

    Raises:
        InvalidInput: as in `start_run`.
    """
    if snapshot.project_id != project.pk:
        raise InvalidInput(
            _("The snapshot belongs to another project: choose one of this project.")
        )
    config = fit_config(kind, snapshot, options)
    run = Run.objects.create(
        project=project,
        kind=RunKind(kind),
        name=name.strip()[:120],
        snapshot=snapshot,
        config=config,
        created_by=created_by,
        job=job,
    )
    run.folder = f"runs/{run.pk}"
    run.save(update_fields=["folder"])
    record(
        action="run started",
        actor=created_by,
        project=project,
        target=f"run {run.pk}",
        kind=kind,
        preset=config["preset"],
        snapshot=snapshot.content_hash,
    )
    return run


@transaction.atomic
def cancel_run(*, run: Run, actor: User | None) -> Run:
    """Ask the run to stop; it writes a checkpoint first and can be resumed.

    Raises:
        Conflict: the run has already ended.
    """
    if run.job is None or run.job.ended:
        raise Conflict(_("This run has already ended: there is nothing to cancel."))
    run.job = jobs.cancel(job=run.job)
    record(action="run cancelled", actor=actor, project=run.project, target=f"run {run.pk}")
    return run


@transaction.atomic
def resume_run(*, run: Run, actor: User | None) -> Run:
    """Go on from the newest checkpoint, in the same folder with the same configuration.

    Raises:
        Conflict: the run is active, or it has succeeded.
    """
    run = (
        Run.objects.select_for_update(of=("self",)).select_related("project", "job").get(pk=run.pk)
    )
    if run.job is not None and not run.job.ended:
        raise Conflict(_("This run is still active: there is nothing to resume."))
    if ModelVersion.objects.filter(run=run).exists():
        raise Conflict(_("This run has succeeded: start a new one to train again."))
    run.job = jobs.submit(
        kind=FIT,
        project=run.project,
        arguments={"run": run.pk},
        created_by=actor,
        unique_key=(run.job.unique_key if run.job else "") or f"run:{run.pk}",
    )
    run.save(update_fields=["job"])
    record(action="run resumed", actor=actor, project=run.project, target=f"run {run.pk}")
    return run


@contextmanager
def held(ctx: JobContext) -> Iterator[None]:
    """A transaction during which no other attempt can take the job: a stale runner stays out.

    Raises:
        JobFenced: another attempt has it already.
    """
    with transaction.atomic():
        mine = Job.objects.filter(pk=ctx.job.pk, attempt=ctx.attempt, state__in=HELD)
        if mine.select_for_update().values_list("pk").first() is None:
            raise JobFenced
        yield


def save_metrics(*, ctx: JobContext, run: Run, metrics: Iterable[Metric]) -> None:
    """Write the values of steps; a step that is already there gets the new ones.

    Raises:
        JobFenced: another attempt holds the job; nothing is written.
    """
    rows = list(metrics)
    if not rows:
        return
    with held(ctx):
        Metric.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["run", "split", "step"],
            update_fields=["values"],
            batch_size=1000,
        )


def complete_run(*, ctx: JobContext, run: Run, report: dict[str, Any]) -> ModelVersion:
    """Keep the report and register the model, both or neither.

    Raises:
        JobFenced: another attempt holds the job; nothing is written.
    """
    with held(ctx):
        run.report = report
        run.save(update_fields=["report"])
        return register_model(run=run)


def workdir_of(run: Run) -> Path:
    """The folder in which the run trains; it outlives its jobs."""
    return Path(settings.MEDIA_ROOT) / run.folder
