"""Telling webhooks that jobs have ended."""

from collections.abc import Iterable

from webhooks.emitting import emit

from . import registry
from .models import Job

MOST_CHARACTERS = 500


def tell_ends(jobs: Iterable[Job]) -> None:
    """Keep the event of each of these jobs of projects, in the transaction that ended them."""
    for job in jobs:
        if job.project_id is None:
            continue
        data = {
            "job": job.pk,
            "kind": job.kind,
            "state": job.state,
            "error": job.error[:MOST_CHARACTERS],
        }
        if "run" in job.arguments:
            data["run"] = job.arguments["run"]
        emit(project_id=job.project_id, event=registry.event_of(job.kind), data=data)
