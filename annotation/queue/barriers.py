"""What keeps an annotator from a next instance."""

from django.db import models

from accounts.models import Project
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of

from .models import Slot, SlotState
from .purposes import Purpose

# What a quota counts: all that looks like the real work.
COUNTED = (Purpose.LABEL, Purpose.GOLD, Purpose.REPEAT)
TAKEN = (SlotState.LEASED, SlotState.SUBMITTED)


class Barrier(models.TextChoices):
    """Why there is no next instance for somebody."""

    EXCLUDED = "excluded"
    PAUSED = "paused"
    QUOTA = "quota"
    # The qualification round is over and was not passed, or has nothing to show yet.
    NOT_QUALIFIED = "not qualified"
    NOTHING_LEFT = "nothing left"


def barrier(annotator: Annotator, protocol: Protocol) -> Barrier | None:
    """What bars this annotator from any new slot."""
    if annotator.excluded_at is not None:
        return Barrier.EXCLUDED
    if protocol.paused_at is not None:
        return Barrier.PAUSED
    if annotator.quota is not None and taken_by(annotator) >= annotator.quota:
        return Barrier.QUOTA
    return None


def taken_by(annotator: Annotator) -> int:
    """How many instances count against their quota: held or labelled; no votes in the arena."""
    rows = Slot.objects.filter(annotator=annotator, state__in=TAKEN, purpose__in=COUNTED)
    return rows.exclude(instance__battle__annotator=annotator).count()


def why_empty(project: Project, annotator: Annotator) -> Barrier:
    """Why `claim` gave this annotator nothing, to be said on the page."""
    annotator.refresh_from_db()
    protocol = protocol_of(project)
    if (found := barrier(annotator, protocol)) is not None:
        return found
    if protocol.qualify_count and annotator.qualified_at is None:
        return Barrier.NOT_QUALIFIED
    return Barrier.NOTHING_LEFT
