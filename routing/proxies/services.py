"""Asking whether the convex heads of a project rank mixes as full fine-tunes do."""

from dataclasses import asdict
from typing import Any

from accounts.models import Project, User
from annotation.judges.models import Judge
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.models import Job
from routing.predictor.fine_tunes import Size

KIND, CHILD = "routing.full_proxies", "routing.full_proxy"


def compare_proxies(
    *,
    project: Project,
    judge: Judge,
    size: Size | None = None,
    options: dict[str, Any] | None = None,
    by: User | None = None,
) -> Job:
    """A job that trains a reward model on each of many mixes and compares them with the heads.

    `options` are arguments of `fine_tunes.fit_options`. Its result is what `fine_tunes.compare`
    returns.

    Raises:
        InvalidInput: the judge is another project's.
        Conflict: it is running already.
    """
    if judge.project_id != project.pk:
        raise InvalidInput("Choose a judge of this project.")
    return jobs.submit(
        kind=KIND,
        project=project,
        arguments={"judge": judge.pk, "size": asdict(size or Size()), "options": options or {}},
        created_by=by,
        unique_key=f"full-proxies:{project.pk}",
    )
