"""The fan-out: one job waits, and a child on the queue of models trains each proxy."""

from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Completion, Instance
from annotation.judges.models import Judge
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.exceptions import JobFailed
from jobs.models import ENDED, Job
from jobs.waiting import wait
from routing.features.project import feature_table
from routing.predictor import fine_tunes
from routing.predictor.fine_tunes import Pairs, Size
from training.runs.commands import run_in
from training.runs.folders import allowed_folder

from .services import CHILD


def run_full_proxies(context: JobContext) -> dict[str, Any]:
    """The job kind "routing.full_proxies". A later attempt trains only what is not there yet.

    Raises:
        JobFailed: a fine-tune failed; its job says why.
        InvalidInput: too few pairs carry both labels and an embedding.
    """
    project = context.job.project
    assert project is not None  # noqa: S101 - the service gives one
    size = Size(**context.arguments["size"])
    pairs = pairs_of(project, Judge.objects.get(pk=context.arguments["judge"]))
    plan = fine_tunes.design(pairs, size, salt=project.protocol.salt)
    options = fine_tunes.fit_options(**_allowed(context.arguments["options"]))
    folders = fine_tunes.prepare(context.folder, pairs, plan, size.seeds, options)
    children = [child for child in (_child(context, folder) for folder in folders) if child]
    context.log(f"{len(children)} of {len(folders)} fine-tunes are to be trained.")
    failed = [job for job in wait(context, children) if job.state != "succeeded"]
    if failed:
        raise JobFailed(
            f"{len(failed)} of {len(folders)} fine-tunes failed, the first one as job "
            f"{failed[0].pk}: {failed[0].error[:200]}. Run this job again to go on."
        )
    found = [fine_tunes.accuracy_in(folder) for folder in folders]
    full = np.array(found, dtype=np.float64).reshape(size.seeds, size.mixes)
    return fine_tunes.compare(plan, full)


def run_full_proxy(context: JobContext) -> dict[str, Any]:
    """The job kind "routing.full_proxy": one fit, which resumes from its newest checkpoint."""
    job, name = int(context.arguments["parent"]), Path(context.arguments["name"]).name
    folder = Path(settings.VAR_DIR) / "jobs" / str(job) / name
    run_in(context, "fit", folder)
    return {"accuracy": fine_tunes.accuracy_in(folder)}


def _allowed(options: dict[str, Any]) -> dict[str, Any]:
    """The options with a model folder that may be read."""
    if not options.get("base"):
        return options
    return options | {"base": str(allowed_folder(options["base"], holds="config.json"))}


def _child(context: JobContext, folder: Path) -> Job | None:
    """The job that trains this folder: one that is still active, or a new one; None if trained."""
    if fine_tunes.accuracy_in(folder) is not None:
        return None
    key = f"full-proxy:{context.job.pk}:{folder.name}"
    active = Job.objects.filter(unique_key=key).exclude(state__in=ENDED).first()
    return active or jobs.submit(
        kind=CHILD,
        project=context.job.project,
        arguments={"parent": context.job.pk, "name": folder.name},
        unique_key=key,
        parent=context.job,
    )


def pairs_of(project: Project, judge: Judge) -> Pairs:
    """Pairs of the main criterion on which people and the judge both decide, with embeddings.

    Raises:
        InvalidInput: no encoder has run.
    """
    criterion = project.criteria.first()
    people = dict(
        Consensus.objects.filter(
            instance__project=project, criterion=criterion, scope=Scope.HUMAN
        ).values_list("instance_id", "worth")
    )
    found = feature_table(project, sorted(people), judge=judge, embeddings=True)
    if found.differences is None:
        raise InvalidInput("No embeddings are stored: compute the features first.")
    human = np.array([people[pk][0] for pk in found.ids.tolist()], dtype=np.float64)
    embedded = np.isfinite(found.differences).all(axis=1)
    decided = (human != 0.5) & (found.judge != 0.5) & ~np.isnan(found.judge)
    rows = np.flatnonzero(embedded & decided)
    ids = found.ids[rows].tolist()
    texts = _texts(ids)
    questions = dict(Instance.objects.filter(pk__in=ids).values_list("pk", "messages"))
    return Pairs(
        tuple(found.keys[i] for i in rows),
        tuple(_question(questions[pk]) for pk in ids),
        tuple(texts[pk] for pk in ids),
        found.table.take(rows),
        np.asarray(found.differences[rows], dtype=np.float64),
        (human[rows] > 0.5).astype(np.float64),
        (found.judge[rows] > 0.5).astype(np.float64),
    )


def _texts(ids: list[int]) -> dict[int, tuple[str, str]]:
    rows = Completion.objects.filter(instance__in=ids, position__lt=2).order_by("position")
    sides: dict[int, list[str]] = {pk: [] for pk in ids}
    for pk, text in rows.values_list("instance_id", "text"):
        sides[pk].append(text)
    return {pk: (both[0], both[1]) for pk, both in sides.items()}


def _question(messages: list[dict[str, Any]]) -> str:
    """The conversation as one text: proxies are small and read only its end."""
    return "\n\n".join(str(message.get("content", "")) for message in messages)
