"""Passing on an instance, and setting it aside when several people say that something is wrong.

| somebody says                       | for them           | for the instance                      |
|-------------------------------------|--------------------|---------------------------------------|
| pass, language, expertise           | never again        | nothing                               |
| broken, unsafe, personal            | never again        | counted                               |
| the same, the project's flag limit  | never again        | flagged: open places are withdrawn,   |
|                                     |                    | labels stay, what is held may be     |
|                                     |                    | filled                                |
"""

from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotator
from annotation.projects.selectors import protocol_of
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from .ending import settle_instances
from .leases import FREE, NOT_YOURS, give_back
from .models import Skip, SkipKind, Slot, SlotState
from .money import free_money
from .openings import note_openings
from .purposes import Purpose

FLAGS = (SkipKind.BROKEN, SkipKind.UNSAFE, SkipKind.PERSONAL)
ASKED = (InstanceState.ROUTED, InstanceState.SETTLED, InstanceState.NEW, InstanceState.GOLD)


@transaction.atomic
def skip(*, slot: Slot, annotator: Annotator, kind: str = SkipKind.PASS, note: str = "") -> None:
    """Pass on the instance for good: the slot opens for others, as far as the table above lets it.

    Raises:
        Conflict: the slot is not leased to this annotator.
        InvalidInput: the kind is unknown or the note is longer than 500 characters.
    """
    note = note.strip()
    if kind not in SkipKind.values:
        raise InvalidInput(
            _("Say why you skip it: one of %(choices)s.") % {"choices": ", ".join(SkipKind.values)}
        )
    if len(note) > 500 or "\0" in note:
        raise InvalidInput(_("A note has at most 500 characters."))
    mine = Slot.objects.filter(pk=slot.pk, annotator=annotator, state=SlotState.LEASED)
    held = list(mine.select_for_update().values_list("pk", flat=True))
    if not held:
        raise Conflict(NOT_YOURS)
    Skip.objects.update_or_create(
        instance_id=slot.instance_id, annotator=annotator, defaults={"kind": kind, "note": note}
    )
    if kind in FLAGS:
        _count_flags(slot.instance_id, annotator)
    give_back(annotator.project_id, held)


def _count_flags(instance_id: int, annotator: Annotator) -> None:
    """Set the instance aside when enough people flagged it."""
    # The lock comes first: of two who flag at once, the second one counts both.
    instance = Instance.objects.select_for_update(no_key=True).get(pk=instance_id)
    flags = Skip.objects.filter(instance=instance, kind__in=FLAGS).count()
    if instance.state not in ASKED or flags < protocol_of(annotator.project).flag_limit:
        return
    _withdraw(instance, InstanceState.FLAGGED)
    record(
        action="instance flagged",
        actor=annotator.user,
        project=annotator.project,
        target=f"instance:{instance.pk}",
        people=flags,
    )


def _withdraw(instance: Instance, state: InstanceState) -> None:
    """Set the instance aside. An open slot that is locked right now is withdrawn by its claim."""
    instance.state = state
    instance.save(update_fields=["state"])
    opened = Slot.objects.filter(instance=instance, state=SlotState.OPEN)
    keys = list(opened.select_for_update(skip_locked=True).values_list("pk", flat=True))
    Slot.objects.filter(pk__in=keys).update(state=SlotState.WITHDRAWN, **FREE)


@transaction.atomic
def restore(*, instance: Instance, by: User | None) -> Instance:
    """Ask about a flagged instance again: its places open, and flags count from naught.

    Who flagged it is not asked again. What they said is kept in the audit log.

    Raises:
        Conflict: the instance is not flagged.
    """
    row = _flagged(instance)
    labels = Slot.objects.filter(instance=row, purpose=Purpose.LABEL)
    places = labels.filter(state=SlotState.WITHDRAWN, annotator__isnull=True, pool__isnull=False)
    known = hasattr(row, "gold")
    row.state = InstanceState.GOLD if known else InstanceState.ROUTED
    row.save(update_fields=["state"])
    if not known and places.update(state=SlotState.OPEN):
        note_openings(row.project_id, [row.pk])
    elif not known:
        settle_instances([row.pk])
    flags = Skip.objects.filter(instance=row, kind__in=FLAGS)
    said = dict(flags.values_list("kind").annotate(number=Count("pk")).order_by())
    flags.update(kind=SkipKind.PASS)
    _record("instance restored", row, by, flags=said)
    row.refresh_from_db()
    return row


@transaction.atomic
def drop(*, instance: Instance, by: User | None) -> Instance:
    """Ask nobody about a flagged instance any more; its labels stay.

    Raises:
        Conflict: the instance is not flagged.
    """
    row = _flagged(instance)
    _withdraw(row, InstanceState.DROPPED)
    withdrawn = Slot.objects.filter(instance=row, state=SlotState.WITHDRAWN)
    free_money(row.project_id, withdrawn.values_list("key", flat=True))
    _record("instance dropped", row, by)
    return row


def _flagged(instance: Instance) -> Instance:
    row = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    if row.state != InstanceState.FLAGGED:
        raise Conflict(_("This instance is not flagged any more: somebody has decided about it."))
    return row


def _record(action: str, instance: Instance, by: User | None, **data: Any) -> None:
    target = f"instance:{instance.pk}"
    record(action=action, actor=by, project=instance.project, target=target, **data)
