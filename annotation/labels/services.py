"""Submitting labels, taking the last one back, and drafts.

What becomes of a submit:

| the slot is                                       | outcome                                     |
|---------------------------------------------------|---------------------------------------------|
| leased to the annotator, the lease run out or not | stored                                      |
| a check or a review of theirs, given back already | stored: nobody else can fill it             |
| open again (the lease ran out, nobody took it)    | stored: the work is not lost                |
| taken by another, a sibling of the instance open  | stored in the sibling                       |
| taken by another, no place left on the instance   | Conflict; the draft is kept                 |
| no longer theirs, and they are excluded           | Conflict: their label fills nobody's place  |
| submitted by this annotator, same client id       | the same rows again if the content is the   |
|                                                   | same, else Conflict                         |
| submitted by this annotator, another client id    | Conflict: undo first                        |
| of another project, or no slot at all             | NotFound: the two look alike                |
| a review, and they are no reviewer any more       | NotFound                                    |
"""

import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project
from accounts.policies import Action, can
from annotation.instances.readers import unstorable
from annotation.ledger.services import settle_subject
from annotation.projects.models import Criterion, Protocol
from annotation.projects.selectors import protocol_of
from annotation.projects.terms import Terms, terms_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.pools import pools_of
from annotation.queue.purposes import Purpose
from annotation.queue.services import draw_order, finish, lease_end, reopen
from core.exceptions import Conflict, InvalidInput, NotFound
from core.hashing import canonical_json

from .announcing import announce
from .answers import Answer, check_answers
from .asking import asked_of
from .models import Annotation, Annotator, Draft
from .people import annotator_for
from .revealing import reveal, reveal_recorded

__all__ = [
    "Answer",
    "annotator_for",
    "reveal",
    "reveal_recorded",
    "save_draft",
    "submit",
    "undo",
]

# The slot is filled, and what the annotator had drafted on any place of the instance goes.
FILL = """
WITH filled AS (
  UPDATE annotation_slot SET
    annotator_id = %(annotator)s, state = 'submitted', leased_until = NULL,
    shown_order = %(order)s::jsonb
  WHERE id = %(slot)s)
DELETE FROM annotation_draft AS draft USING annotation_slot AS slot
WHERE draft.annotator_id = %(annotator)s AND draft.slot_id = slot.id
  AND slot.instance_id = %(instance)s
"""
LOCKED = "SELECT * FROM annotation_slot WHERE key = %s AND project_id = %s FOR UPDATE"
UNDO_WITHIN = timedelta(minutes=10)
MOST_DRAFT = 64_000
LOST = "Somebody else has taken this instance after your lease ran out; your draft is kept."


def submit(
    *,
    slot_key: uuid.UUID,
    annotator: Annotator,
    client_id: uuid.UUID,
    answers: Sequence[Answer],
    seconds: float | None = None,
    order: Sequence[int] = (),
    terms: Terms | None = None,
) -> list[Annotation]:
    """Store one annotation per criterion; the table above says when.

    `client_id` is made by the client once per submit, so that sending it again stores nothing
    new. `seconds` is the time on the instance. `order` is what the client says stood where, in
    canonical positions. Money set aside for the slot is settled.

    Raises:
        NotFound, Conflict: see the table.
        InvalidInput: an answer breaks a rule of the protocol, or the order is another one.
    """
    terms = terms or terms_of(annotator.project)
    try:
        with transaction.atomic():
            slot = locked_slot(slot_key, annotator)
            # What is theirs and open to an answer was not answered under this id, or was undone.
            if slot.state != SlotState.LEASED or slot.annotator_id != annotator.pk:
                if (known := known_submit(slot, annotator, client_id, answers)) is not None:
                    return known
                slot = _place_for(slot, annotator)
            if order and list(order) != order_shown(slot, annotator, terms.protocol, len(order)):
                raise InvalidInput(_("The completions did not stand in this order: reload."))
            rows = _new_rows(slot, annotator, answers, seconds, terms)
            for row in rows:
                row.client_id = client_id
            Annotation.objects.bulk_create(rows)
            _close(slot, annotator, terms.protocol, seconds)
            announce(rows)
            return rows
    except IntegrityError as error:
        # A retry of what was undone meanwhile, or the same id for two slots at the same moment.
        if (known := known_submit(slot, annotator, client_id, answers)) is not None:
            return known
        raise Conflict(_("You have another place on this instance already.")) from error


def _new_rows(
    slot: Slot,
    annotator: Annotator,
    answers: Sequence[Answer],
    seconds: float | None,
    terms: Terms,
) -> list[Annotation]:
    count = len(slot.shown_order) if slot.shown_order else slot.instance.completions.count()
    asked = asked_of(slot, annotator, terms.protocol, terms.by_key, count)
    check_answers(answers, asked, seconds)
    if slot.shown_order is None:
        slot.shown_order = draw_order(terms.protocol, slot, annotator, count)
    rows = [
        new_annotation(slot, annotator, answer, criterion=terms.by_key[answer.criterion_key])
        for answer in answers
    ]
    for row in rows:
        row.guideline_id, row.seconds = terms.guideline_id, seconds
    return rows


def order_shown(slot: Slot, annotator: Annotator, protocol: Protocol, count: int) -> list[int]:
    """Canonical positions as they stood; a slot lost meanwhile is drawn in the same order again."""
    stored: list[int] | None = slot.shown_order if slot.annotator_id == annotator.pk else None
    return stored or draw_order(protocol, slot, annotator, count)


def locked_slot(key: uuid.UUID, annotator: Annotator) -> Slot:
    rows = Slot.objects.raw(LOCKED, [key, annotator.project_id])
    slot = next(iter(rows), None)
    if slot is None or not _may_answer(slot, annotator):
        raise NotFound(_("There is no such instance for you: ask for the next one."))
    slot.project = annotator.project
    return slot


def _may_answer(slot: Slot, annotator: Annotator) -> bool:
    """A review decides its instance: only for as long as one's role allows it."""
    if slot.purpose != Purpose.REVIEW:
        return True
    user = annotator.user
    return user is not None and can(user, Action.REVIEW, annotator.project)


def known_submit(
    slot: Slot, annotator: Annotator, client_id: uuid.UUID, answers: Sequence[Answer]
) -> list[Annotation] | None:
    """The rows of an earlier submit with this client id, if there was one.

    Raises:
        Conflict: it was of another instance or said something else.
    """
    rows = Annotation.objects.filter(annotator=annotator, client_id=client_id)
    known = {row.criterion.key: row for row in rows.select_related("criterion").order_by("pk")}
    if not known:
        return None
    if any(row.instance_id != slot.instance_id for row in known.values()):
        raise Conflict(_("This client id was used for another instance: send a new id."))
    if {key: row.payload_hash for key, row in known.items()} != {
        answer.criterion_key: answer.payload_hash() for answer in answers
    }:
        raise Conflict(_("This client id was used for other content: send a new id."))
    return list(known.values())


def _place_for(slot: Slot, annotator: Annotator) -> Slot:
    """The slot that this submit fills: the annotator's own, or a free one of the instance."""
    mine = slot.annotator_id == annotator.pk
    if mine and slot.state in (SlotState.LEASED, SlotState.WITHDRAWN):
        return slot
    if mine and slot.state == SlotState.SUBMITTED:
        raise Conflict(_("You have labelled this instance already: undo that first."))
    if annotator.excluded_at is not None:
        raise Conflict(_("This instance is no longer yours: ask for the next one."))
    if slot.state == SlotState.OPEN:
        return slot
    sibling = (
        Slot.objects.select_for_update(skip_locked=True)
        .filter(instance=slot.instance_id, purpose=slot.purpose, state=SlotState.OPEN)
        .filter(pool__in=pools_of(annotator))
        .order_by("ordinal")
        .first()
    )
    if sibling is None:
        raise Conflict(LOST)
    sibling.project = slot.project
    return sibling


def new_annotation(
    slot: Slot, annotator: Annotator, answer: Answer, *, criterion: Criterion
) -> Annotation:
    return Annotation(
        project=slot.project,
        instance_id=slot.instance_id,
        annotator=annotator,
        criterion=criterion,
        slot=slot,
        purpose=slot.purpose,
        ranking=list(answer.ranking),
        unranked=sorted(answer.unranked),
        scores=list(answer.scores),
        tie_kind=answer.tie_kind,
        strength=answer.strength,
        confidence=answer.confidence,
        rationale=answer.rationale.strip(),
        reasons=list(answer.reasons),
        attributes=answer.attributes,
        shown_order=slot.shown_order,
        payload_hash=answer.payload_hash(),
        decision_id=slot.decision_id,
    )


def insert(rows: list[Annotation]) -> None:
    try:
        with transaction.atomic():
            Annotation.objects.bulk_create(rows)
    except IntegrityError as error:
        # The same id, sent for two slots at the same moment.
        raise Conflict(_("This client id was used for another instance: send a new id.")) from error


def _close(slot: Slot, annotator: Annotator, protocol: Protocol, seconds: float | None) -> None:
    slot.annotator = annotator
    slot.state = SlotState.SUBMITTED
    slot.leased_until = None
    values: dict[str, Any] = {
        "slot": slot.pk,
        "instance": slot.instance_id,
        "annotator": annotator.pk,
        "order": json.dumps(slot.shown_order),
    }
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
    finish(slot=slot, protocol=protocol)
    # The budget's row is locked last: see `annotation.queue.openings`.
    settle_subject(project=slot.project, subject=f"slot:{slot.key}", seconds=seconds)


@transaction.atomic
def undo(*, annotator: Annotator, project: Project) -> Slot | None:
    """Take back the annotator's last submit of the past ten minutes; None when there is none.

    An answer of the qualification round stands: it was met with feedback.

    Retractions are added, the slot is leased to them again, in front of what else they hold, and
    what they had answered is its draft: `{"answers": [...]}` with the fields of `Answer`.
    """
    slot = _last_submitted(annotator, project)
    if slot is None:
        return None
    slot = locked_slot(slot.key, annotator)
    rows = list(standing(slot, annotator))
    if not rows or slot.state != SlotState.SUBMITTED or slot.annotator_id != annotator.pk:
        return None
    announce(Annotation.objects.bulk_create([_retraction(row) for row in rows]))
    slot.state = SlotState.LEASED
    protocol = protocol_of(slot.project)
    slot.leased_until = lease_end(protocol, timezone.now())
    slot.save(update_fields=["state", "leased_until"])
    reopen(slot=slot, protocol=protocol)
    payload = {"answers": [as_payload(row) for row in rows]}
    Draft.objects.update_or_create(slot=slot, annotator=annotator, defaults={"payload": payload})
    return slot


def _last_submitted(annotator: Annotator, project: Project) -> Slot | None:
    last = (
        Annotation.objects.filter(
            annotator=annotator,
            project=project,
            slot__isnull=False,
            retracted=False,
            superseded_by__isnull=True,
            created_at__gte=timezone.now() - UNDO_WITHIN,
        )
        .select_related("slot")
        .order_by("-pk")
        .first()
    )
    if last is None or last.purpose == Purpose.QUALIFICATION:
        # They have seen whether it was right.
        return None
    return last.slot


def standing(slot: Slot, annotator: Annotator) -> QuerySet[Annotation]:
    """What the annotator says on the slot now, in the order of the criteria."""
    return Annotation.objects.filter(
        slot=slot, annotator=annotator, retracted=False, superseded_by__isnull=True
    ).select_related("criterion")


def _retraction(row: Annotation) -> Annotation:
    return Annotation(
        project_id=row.project_id,
        instance_id=row.instance_id,
        annotator_id=row.annotator_id,
        criterion_id=row.criterion_id,
        guideline_id=row.guideline_id,
        slot_id=row.slot_id,
        purpose=row.purpose,
        client_id=uuid.uuid5(row.client_id, "retraction"),
        payload_hash=row.payload_hash,
        decision_id=row.decision_id,
        supersedes=row,
        retracted=True,
    )


def as_payload(row: Annotation) -> dict[str, Any]:
    return {
        "criterion_key": row.criterion.key,
        "ranking": row.ranking,
        "unranked": row.unranked,
        "scores": row.scores,
        "tie_kind": row.tie_kind,
        "strength": row.strength,
        "confidence": row.confidence,
        "rationale": row.rationale,
        "reasons": row.reasons,
        "attributes": row.attributes,
    }


@transaction.atomic
def save_draft(
    *, slot_key: uuid.UUID, annotator: Annotator, payload: dict[str, Any], revision: int
) -> Draft:
    """Keep what is entered so far; returns the draft that stands.

    `revision` counts up on the page: an autosave that arrives late, with a lower one, changes
    nothing. `payload` is the page's own JSON, by convention that of `undo`.

    Raises:
        NotFound: no such slot in the annotator's project.
        Conflict: the slot is neither theirs nor free.
        InvalidInput: the payload is larger than 64,000 characters or is no storable text.
    """
    if reason := unstorable(payload):
        raise InvalidInput(_("The draft cannot be stored: %(reason)s.") % {"reason": reason})
    if len(canonical_json(payload)) > MOST_DRAFT:
        raise InvalidInput(_("A draft holds at most %(most)s characters.") % {"most": MOST_DRAFT})
    slot = locked_slot(slot_key, annotator)
    if slot.state != SlotState.OPEN and slot.annotator_id != annotator.pk:
        raise Conflict(LOST)
    draft, made = Draft.objects.get_or_create(
        slot=slot, annotator=annotator, defaults={"payload": payload, "revision": revision}
    )
    if not made and revision > draft.revision:
        draft.payload, draft.revision = payload, revision
        draft.save(update_fields=["payload", "revision", "saved_at"])
    return draft
