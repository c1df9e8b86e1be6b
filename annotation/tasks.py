"""Celery's side of annotation."""

from celery import shared_task

from .queue import services as queue
from .queue.openings import trim_openings
from .workforce.tasks import look_after


@shared_task(name="annotation.look_after")
def look_after_people() -> None:
    """Free what those hold who left their study, and write the earnings that are missing."""
    look_after()


@shared_task(name="annotation.expire_leases")
def expire_leases() -> None:
    """Open what people took and left, in all projects, and forget old notes of the queue."""
    queue.expire_leases()
    trim_openings()
