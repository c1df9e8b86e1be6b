"""Hearing of new instances and other budgets: a ring after the commit, and a tick for the rest."""

from typing import Any

from django.db import transaction

from routing.budgets.models import Allowance

from .loop import something_to_do
from .models import LiveRouting, Mode
from .services import ring
from .waking import Awake, awake, sleep
from .work import Work, waiting


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

    Finds what a lost ring, a finished seed or new labels bring. One query where nothing changed.
    """
    found = awake()
    related = ("project__protocol", "judge__annotator", "strong_judge", "router")
    rows = LiveRouting.objects.select_related(*related).in_bulk([each.live_id for each in found])
    return sum(_ring_if_due(each, Work(rows[each.live_id])) for each in found)


def _ring_if_due(found: Awake, work: Work) -> bool:
    if not found.stalled and not something_to_do(work):
        sleep(found)
        return False
    return ring(work.project) is not None
