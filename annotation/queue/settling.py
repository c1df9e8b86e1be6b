"""What a label means for its instance: it settles, or one more person is asked."""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q

from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.projects.models import Protocol

from .adapting import ask_again, take_back
from .models import Destination, Slot, SlotState
from .purposes import Purpose

TO_PEOPLE = frozenset({Destination.HUMAN, Destination.BOTH})


def finish(*, slot: Slot, protocol: Protocol) -> None:
    """After a submit on the slot: settle its instance or ask once more, when nobody is awaited.

    Two who fill the last two places wait for each other at the instance, so that one of them
    sees both.
    """
    if slot.purpose != Purpose.LABEL:
        return
    rows = Instance.objects.select_for_update(no_key=True).only("state", "project_id")
    instance = rows.get(pk=slot.instance_id)
    if instance.state != InstanceState.ROUTED:
        return
    adaptive = protocol.overlap_most is not None and not _awaited(instance)
    if not (adaptive and ask_again(instance=instance, protocol=protocol)):
        settle_instances([instance.pk])


def reopen(*, slot: Slot, protocol: Protocol) -> None:
    """After the label on the slot was taken back: its instance is asked about again.

    Places that were added because of it and that nobody has taken go.
    """
    if slot.purpose != Purpose.LABEL:
        return
    instance = Instance.objects.select_for_update(no_key=True).get(pk=slot.instance_id)
    if instance.state == InstanceState.SETTLED:
        instance.state = InstanceState.ROUTED
        instance.save(update_fields=["state"])
    if protocol.overlap_most is not None:
        take_back(instance=instance)


def _awaited(instance: Instance) -> bool:
    return Slot.objects.filter(
        instance=instance,
        purpose=Purpose.LABEL,
        state__in=[SlotState.OPEN, SlotState.LEASED],
    ).exists()


def settle_instances(instance_ids: Iterable[int]) -> int:
    """Mark routed instances settled that wait for nobody; returns how many.

    Every place for a person is filled, and where only a judge was asked, it has answered.
    """
    unfilled = Slot.objects.filter(
        instance=OuterRef("pk"),
        purpose=Purpose.LABEL,
        state__in=[SlotState.OPEN, SlotState.LEASED],
    )
    judged = Annotation.objects.filter(instance=OuterRef("pk"), annotator__kind=AnnotatorKind.JUDGE)
    ready = Instance.objects.filter(
        ~Exists(unfilled),
        Q(assignment__destination__in=TO_PEOPLE) | Exists(judged),
        pk__in=set(instance_ids),
        state=InstanceState.ROUTED,
        assignment__isnull=False,
    )
    return ready.update(state=InstanceState.SETTLED)
