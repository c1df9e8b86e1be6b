"""Reads about the queue."""

from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotator

from .models import Assignment, Skip, Slot, SlotState
from .pools import pools_of

# Up to so many instances that wait for labels, what is left for a person is counted one by one.
COUNTED = 1000
SECONDS = 60


@dataclass(frozen=True)
class Left:
    """How many instances are left for an annotator.

    Where not `exact`, the number is that of the project's instances that wait for labels, counted
    within the last minute: more than this annotator will get.
    """

    instances: int
    exact: bool


def left_for(annotator: Annotator) -> Left:
    """What is left for this annotator, without counting a large project for each of them."""
    waiting = _waiting(annotator.project_id)
    if waiting > COUNTED:
        return Left(waiting, exact=False)
    return Left(open_to(annotator), exact=True)


def _waiting(project_id: int) -> int:
    """Instances of the project that wait for labels, as counted within the last minute."""
    key = f"queue:waiting:{project_id}"
    known: int | None = cache.get(key)
    if known is None:
        rows = Instance.objects.filter(project=project_id, state=InstanceState.ROUTED)
        known = rows.count()
        cache.set(key, known, SECONDS)
    return known


def open_to(annotator: Annotator) -> int:
    """How many instances this annotator could still claim, those with a late lease included.

    Counts one by one: for projects of a moderate size.
    """
    here = Slot.objects.filter(instance=OuterRef("instance"), annotator=annotator)
    skipped = Skip.objects.filter(instance=OuterRef("instance"), annotator=annotator)
    late = Q(state=SlotState.LEASED, leased_until__lt=timezone.now())
    free = Slot.objects.filter(
        Q(state=SlotState.OPEN) | late,
        project=annotator.project_id,
        pool__in=pools_of(annotator),
    )
    claimable = free.exclude(Exists(here)).exclude(Exists(skipped))
    return claimable.aggregate(instances=Count("instance", distinct=True))["instances"] or 0


def asked_on(instance: Instance) -> list[str]:
    """Keys of the criteria that people are asked about the instance; none: all."""
    rows = Assignment.objects.filter(instance=instance).values_list("criteria", flat=True)
    return list(rows.first() or [])


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


def flagged(project: Project) -> QuerySet[Instance]:
    """Instances set aside because of flags, the skips with their annotators fetched, newest first.

    `restore` and `drop` decide about them.
    """
    skips = Skip.objects.select_related("annotator").order_by("pk")
    rows = Instance.objects.filter(project=project, state=InstanceState.FLAGGED)
    return rows.prefetch_related(Prefetch("skips", skips), "completions").order_by("-pk")
