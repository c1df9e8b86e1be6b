"""Hearing of new instances and other budgets: a ring after the commit, and a tick for the rest."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from jobs.models import Job, State
from routing.budgets.models import Allowance
from routing.features.services import features_job, is_computing

from .loop import KIND, something_to_do
from .models import LiveRouting, Mode, Stall
from .services import ring
from .work import Work, waiting

# What stalls is tried again so often, beside at once when an allowance changes.
AGAIN = timedelta(minutes=5)


def on_instances(*, project_id: int, **_: Any) -> None:
    """Receives `instances_arrived`."""
    row = LiveRouting.objects.filter(project=project_id).select_related("project").first()
    if row is not None and _has_batch(row):
        ring(row.project)


def _has_batch(row: LiveRouting) -> bool:
    """Whether enough new instances wait for the mode; while a seed is collected one is enough."""
    if row.mode == Mode.OFF:
        return False
    if row.mode == Mode.STREAM or row.router_id is None:
        return waiting(row.project).exists()
    return waiting(row.project)[: row.batch_size].count() >= row.batch_size


def on_allowance(*, instance: Allowance, **_: Any) -> None:
    """Receives `post_save` of allowances: what could not be paid may be now."""
    row = LiveRouting.objects.filter(project=instance.project_id).exclude(mode=Mode.OFF).first()
    if row is not None:
        transaction.on_commit(lambda: ring(instance.project))


def tick() -> int:
    """Ring for every project whose routing has something to do; returns how many.

    Finds what a lost ring, a finished seed or new labels bring.
    """
    related = ("project__protocol", "judge__annotator", "strong_judge", "router")
    on = LiveRouting.objects.filter(~Q(mode=Mode.OFF), project__archived_at__isnull=True)
    return sum(_ring_if_due(Work(row)) for row in on.select_related(*related))


def _ring_if_due(work: Work) -> bool:
    if work.live.judge is None:
        return False
    if work.live.stall == Stall.FEATURES:
        if is_computing(work.project) or (_computing_failed(work) and _rung_lately(work)):
            return False
    elif work.live.stall:
        if _rung_lately(work):
            return False
    elif not something_to_do(work):
        return False
    return ring(work.project) is not None


def _rung_lately(work: Work) -> bool:
    since = timezone.now() - AGAIN
    return Job.objects.filter(kind=KIND, project=work.project, created_at__gt=since).exists()


def _computing_failed(work: Work) -> bool:
    job = features_job(work.project)
    return job is not None and job.state == State.FAILED
