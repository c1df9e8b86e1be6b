"""Slots that measure the annotator: qualification, hidden gold, attention checks and repeats.

They are made when they are due, for one annotator, in the same table and with the same fields as
all others, so that nothing the browser gets tells them apart. When one is due is drawn by a salted
hash of the annotator and of how many instances they have had: asking again draws the same.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Protocol
from annotation.quality.models import Gold, GoldKind
from core.hashing import unit_interval

from .barriers import TAKEN
from .leases import draw_order, lease_end
from .models import Skip, Slot, SlotState
from .pools import required
from .purposes import Purpose

# A repeat comes after so many other labels of the same person, drawn from the next so many.
REPEAT_AFTER, REPEAT_AMONG = 30, 100
# The row under which an instance's places are counted out. Few statements: how long a check takes
# to come should not tell it from the next slot of the queue.
LOCK = """
SELECT instance.*, (
  SELECT count(*) FROM annotation_completion AS completion
  WHERE completion.instance_id = instance.id) AS completion_count
FROM annotation_instance AS instance WHERE instance.id = %s FOR NO KEY UPDATE OF instance
"""


def qualifying(annotator: Annotator, protocol: Protocol) -> bool:
    """They are still in the qualification round, or did not pass it."""
    return protocol.qualify_count > 0 and annotator.qualified_at is None


def due(annotator: Annotator, protocol: Protocol) -> Slot | None:
    """The check that this annotator gets next, leased; None when an ordinary slot is due.

    Call with the annotator locked.
    """
    if qualifying(annotator, protocol):
        return _qualification(annotator, protocol)
    if not (protocol.gold_share or protocol.repeat_share):
        return None
    had = _had(annotator)
    if unit_interval(protocol.salt, "gold", annotator.pk, had) < protocol.gold_share:
        slot = _gold(annotator, protocol, (GoldKind.GOLD, GoldKind.ATTENTION), Purpose.GOLD)
        if slot is not None:
            return slot
    if unit_interval(protocol.salt, "repeat", annotator.pk, had) < protocol.repeat_share:
        return _repeat(annotator, protocol, had)
    return None


def _had(annotator: Annotator) -> int:
    """How many instances they have had; a skip counts, so that the draw after it is another."""
    taken = Slot.objects.filter(annotator=annotator, state__in=TAKEN).count()
    return taken + Skip.objects.filter(annotator=annotator).count()


def _qualification(annotator: Annotator, protocol: Protocol) -> Slot | None:
    taken = Slot.objects.filter(
        annotator=annotator, state__in=TAKEN, purpose=Purpose.QUALIFICATION
    ).count()
    if taken >= protocol.qualify_count:
        return None
    return _gold(annotator, protocol, (GoldKind.QUALIFICATION,), Purpose.QUALIFICATION)


def _gold(
    annotator: Annotator, protocol: Protocol, kinds: Iterable[str], purpose: Purpose
) -> Slot | None:
    """A slot on the known instance that the hash puts first among those new to them."""
    mine = Slot.objects.filter(instance=OuterRef("instance"), annotator=annotator)
    skipped = Skip.objects.filter(instance=OuterRef("instance"), annotator=annotator)
    rows = Gold.objects.filter(
        # One given back unanswered is theirs to have again.
        ~Exists(mine.exclude(purpose=purpose, state=SlotState.WITHDRAWN)),
        ~Exists(skipped),
        instance__project=annotator.project_id,
        instance__state=InstanceState.GOLD,
        active=True,
        kind__in=list(kinds),
    )
    asked = _like_their_last(annotator, purpose)
    qualified = set(annotator.qualifications)
    fitting = {
        pk: criteria or []
        for pk, tags, answers, criteria in rows.values_list(
            "instance", "instance__tags", "answers", asked
        )
        if qualified.issuperset(required(tags, protocol.gates))
        and (not criteria or set(criteria) & set(answers))
    }
    if not fitting:
        return None
    chosen = min(fitting, key=lambda pk: unit_interval(protocol.salt, "known", annotator.pk, pk))
    return _lease(annotator, protocol, chosen, purpose, criteria=fitting[chosen])


def _like_their_last(annotator: Annotator, purpose: Purpose) -> Subquery:
    """What the last ordinary slot they got asks: gold behind it asks the same.

    In the qualification round there was none before it: everything is asked.
    """
    theirs = Slot.objects.filter(annotator=annotator, purpose=Purpose.LABEL)
    theirs = theirs if purpose == Purpose.GOLD else theirs.none()
    return Subquery(theirs.order_by("-leased_at", "-pk").values("criteria")[:1])


def _repeat(annotator: Annotator, protocol: Protocol, had: int) -> Slot | None:
    """An instance they labelled a while ago, the order turned round."""
    fitting = _repeatable(annotator)
    if not fitting:
        return None
    place = int(unit_interval(protocol.salt, "again", annotator.pk, had) * len(fitting))
    first = Slot.objects.get(pk=fitting[place])
    slot = _lease(
        annotator,
        protocol,
        first.instance_id,
        Purpose.REPEAT,
        repeat_no=1,
        criteria=first.criteria,
    )
    slot.shown_order = list(reversed(first.shown_order or slot.shown_order or []))
    slot.save(update_fields=["shown_order"])
    return slot


def _repeatable(annotator: Annotator) -> Sequence[int]:
    """Their own slots at least thirty labels back, the label standing, never repeated."""
    per_slot = annotator.project.criteria.count()
    again = Slot.objects.filter(
        instance=OuterRef("instance"), annotator=annotator, purpose=Purpose.REPEAT
    )
    labels = (
        Annotation.objects.filter(
            annotator=annotator,
            purpose=Purpose.LABEL,
            slot__isnull=False,
            retracted=False,
            superseded_by__isnull=True,
        )
        .annotate(repeated=Exists(again.exclude(state=SlotState.WITHDRAWN)))
        .order_by("-pk")
        .values_list("slot", "repeated", "instance__state")
    )
    newest = dict.fromkeys(labels[: (REPEAT_AFTER + REPEAT_AMONG) * per_slot])
    back = list(newest)[REPEAT_AFTER:]
    kept = (InstanceState.ROUTED, InstanceState.SETTLED)
    return [slot for slot, repeated, state in back if not repeated and state in kept]


def _lease(
    annotator: Annotator,
    protocol: Protocol,
    instance: int,
    purpose: Purpose,
    *,
    repeat_no: int = 0,
    criteria: Sequence[str] = (),
) -> Slot:
    """A slot of this purpose leased to the annotator: the one they gave back, or a new one."""
    now = timezone.now()
    lease: dict[str, Any] = {
        "state": SlotState.LEASED,
        "leased_at": now,
        "leased_until": lease_end(protocol, now),
    }
    (row,) = Instance.objects.raw(LOCK, [instance])
    places = Slot.objects.filter(instance=instance, purpose=purpose).order_by("ordinal")
    there = list(places.select_related("project"))
    for slot in there:
        if slot.annotator_id == annotator.pk and slot.state == SlotState.WITHDRAWN:
            return _again(slot, row, lease)
    ordinal = there[-1].ordinal + 1 if there else 0
    slot = Slot(
        project=annotator.project,
        instance=row,
        purpose=purpose,
        ordinal=ordinal,
        overlap=ordinal + 1,
        repeat_no=repeat_no,
        criteria=list(criteria),
        annotator=annotator,
        **lease,
    )
    slot.shown_order = draw_order(protocol, slot, annotator, vars(row)["completion_count"])
    slot.save()
    return slot


def _again(slot: Slot, instance: Instance, lease: dict[str, Any]) -> Slot:
    """The place they gave back, theirs once more."""
    slot.instance = instance
    for name, value in lease.items():
        setattr(slot, name, value)
    slot.save(update_fields=list(lease))
    return slot
