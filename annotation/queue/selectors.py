"""Reads about the queue."""

from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from accounts.models import Project
from annotation.labels.models import Annotator

from .models import Skip, Slot, SlotState


def open_to(annotator: Annotator) -> int:
    """How many instances this annotator could still claim, those with a late lease included."""
    here = Slot.objects.filter(instance=OuterRef("instance"), annotator=annotator)
    skipped = Skip.objects.filter(instance=OuterRef("instance"), annotator=annotator)
    late = Q(state=SlotState.LEASED, leased_until__lt=timezone.now())
    free = Slot.objects.filter(Q(state=SlotState.OPEN) | late, project=annotator.project_id)
    claimable = free.exclude(Exists(here)).exclude(Exists(skipped))
    return claimable.aggregate(instances=Count("instance", distinct=True))["instances"] or 0


def slots_by_state(project: Project) -> dict[str, int]:
    """Slots per state; one whose lease has run out counts as open."""
    late = Q(state=SlotState.LEASED, leased_until__lt=timezone.now())
    rows = Slot.objects.filter(project=project)
    counts = dict(rows.values_list("state").annotate(number=Count("pk")).order_by())
    expired = rows.filter(late).count()
    return {
        **dict.fromkeys(SlotState.values, 0),
        **counts,
        SlotState.OPEN: counts.get(SlotState.OPEN, 0) + expired,
        SlotState.LEASED: counts.get(SlotState.LEASED, 0) - expired,
    }
