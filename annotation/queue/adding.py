"""Adding a place to an instance that has some: for one more label, or for a reviewer.

| asked for                              | outcome                                               |
|----------------------------------------|-------------------------------------------------------|
| a label from anybody, or from a cohort | open, with the qualifications that the tags take      |
| a label or review of a named annotator | leased to them                                        |
| a review of nobody in particular       | InvalidInput: reviews are given to somebody           |
| of somebody who has a place there      | Conflict, for labels; a review is their own business  |
| on an instance that is set aside       | Conflict: restore it first                            |
| a label on one that was never sent out | it is from now on: to people, with this one place     |
| on an instance that is settled         | routed again until the label is there; a review       |
|                                        | changes no state                                      |
"""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotator
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from core.exceptions import Conflict, InvalidInput

from .leases import ASIDE, draw_order, lease_end
from .models import Arm, Assignment, Destination, Slot, SlotState
from .openings import note_opening
from .pools import pools_for, required
from .purposes import Purpose
from .selectors import asked_on

ADDABLE = (Purpose.LABEL, Purpose.REVIEW)


@transaction.atomic
def add_slot(
    *,
    instance: Instance,
    purpose: str = Purpose.LABEL,
    cohort: str = "",
    annotator: Annotator | None = None,
) -> Slot:
    """One more place on the instance, as the table above says.

    Raises:
        InvalidInput, Conflict: see the table.
    """
    if purpose not in ADDABLE:
        raise InvalidInput(_("Only places for labels and reviews are added by hand."))
    if purpose == Purpose.REVIEW and annotator is None:
        raise InvalidInput(_("A review is given to somebody: name the reviewer."))
    # The row under which an instance's places are counted out.
    row = Instance.objects.select_for_update(no_key=True, of=("self",)).select_related("project")
    locked = row.get(pk=instance.pk)
    if locked.state in ASIDE:
        raise Conflict(_("This instance is set aside: restore it before asking again."))
    slot = place_on(locked, protocol_of(locked.project), purpose, cohort, annotator)
    if purpose == Purpose.LABEL:
        _note_sent(locked)
        Instance.objects.filter(pk=locked.pk).update(state=InstanceState.ROUTED)
    return slot


def _note_sent(instance: Instance) -> None:
    """Without an assignment the instance would never settle. Somebody chose it from a report, so
    it is no random draw: never of the seed's arm."""
    Assignment.objects.get_or_create(
        instance=instance,
        defaults={"destination": Destination.HUMAN, "arm": Arm.ROUTED, "propensity": 1.0},
    )


def place_on(
    instance: Instance,
    protocol: Protocol,
    purpose: str,
    cohort: str,
    annotator: Annotator | None,
) -> Slot:
    """Write the place. Call with the instance locked."""
    there = Slot.objects.filter(instance=instance, purpose=purpose)
    seen = there.aggregate(last=Max("ordinal"), priority=Max("priority"))
    ordinal = 0 if seen["last"] is None else seen["last"] + 1
    terms = (cohort, required(instance.tags, protocol.gates))
    slot = Slot(
        project_id=instance.project_id,
        instance=instance,
        purpose=purpose,
        pool=pools_for(instance.project, [terms])[terms],
        ordinal=ordinal,
        overlap=ordinal + 1,
        priority=seen["priority"] or 0,
        criteria=asked_on(instance),
    )
    if annotator is None:
        slot.save()
        note_opening(slot.project_id, priority=slot.priority, slot_id=slot.pk)
        return slot
    for name, value in _lease(slot, instance, protocol, annotator).items():
        setattr(slot, name, value)
    try:
        with transaction.atomic():
            slot.save()
    except IntegrityError as error:
        raise Conflict(_("This annotator has a place on this instance already.")) from error
    return slot


def _lease(
    slot: Slot, instance: Instance, protocol: Protocol, annotator: Annotator
) -> dict[str, Any]:
    now = timezone.now()
    return {
        "annotator": annotator,
        "state": SlotState.LEASED,
        "leased_at": now,
        "leased_until": lease_end(protocol, now),
        "shown_order": draw_order(protocol, slot, annotator, instance.completions.count()),
    }
