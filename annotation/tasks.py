"""Celery's side of annotation."""

from celery import shared_task

from .workforce.tasks import look_after


@shared_task(name="annotation.look_after")
def look_after_people() -> None:
    """Free what those hold who left their study, and write the earnings that are missing."""
    look_after()
