"""Reads of the comparisons of heads with full fine-tunes."""

from django.db.models import QuerySet

from accounts.models import Project
from jobs.models import Job, State

from .services import KIND


def newest_comparison(project: Project) -> Job | None:
    """The job that was started last. One query."""
    return _of(project).first()


def finished_comparison(project: Project) -> Job | None:
    """The newest one with a result. One query."""
    return _of(project).filter(state=State.SUCCEEDED).first()


def _of(project: Project) -> QuerySet[Job]:
    return Job.objects.filter(project=project, kind=KIND).order_by("-pk")
