"""Reads that only a page needs, across the rooms below."""

import uuid

from annotation.labels.models import Annotator
from annotation.queue.models import Slot
from core.exceptions import NotFound
from jobs.models import Job, State
from jobs.selectors import health


def slot_for(annotator: Annotator, key: uuid.UUID) -> Slot:
    """A slot of the annotator's project.

    Raises:
        NotFound: there is none with this key in the project.
    """
    slot = Slot.objects.filter(key=key, project=annotator.project_id).first()
    if slot is None:
        raise NotFound("There is no such instance for you: ask for the next one.")
    return slot


def is_stuck(job: Job | None) -> bool:
    """The job waits, and nobody is there to take it."""
    if job is None or job.state != State.QUEUED:
        return False
    return not any(queue.alive for queue in health() if queue.name == job.queue)
