"""What a label means for its instance: it settles, or one more person is asked."""

from annotation.instances.models import Instance, InstanceState
from annotation.projects.models import Protocol

from .adapting import ask_again, take_back
from .ending import settle_locked
from .models import Slot, SlotState
from .purposes import Purpose

WAIT = """
SELECT id, project_id, state FROM annotation_instance WHERE id = %s FOR NO KEY UPDATE
"""


def finish(*, slot: Slot, protocol: Protocol) -> None:
    """After a submit on the slot: settle its instance or ask once more, when nobody is awaited.

    Two who fill the last two places wait for each other at the instance, so that one of them
    sees both.
    """
    if slot.purpose != Purpose.LABEL:
        return
    (instance,) = Instance.objects.raw(WAIT, [slot.instance_id])
    if instance.state != InstanceState.ROUTED:
        return
    adaptive = protocol.overlap_most is not None and not _awaited(instance)
    if not (adaptive and ask_again(instance=instance, protocol=protocol)):
        settle_locked([instance.pk])


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
