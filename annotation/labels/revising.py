"""Changing a label given before: new rows supersede the old ones, and the slot stays filled.

What becomes of a revision:

| the slot was                                 | outcome                                         |
|----------------------------------------------|-------------------------------------------------|
| submitted by this annotator                  | stored; the earlier rows are superseded         |
| the same client id again, the same content   | the same rows again                             |
| of the qualification round                   | Conflict: its answer was met with feedback      |
| not theirs, or taken back meanwhile          | Conflict                                        |
| of another project, or no slot at all        | NotFound: the two look alike                    |
"""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.projects.selectors import criteria_of, guideline_of, protocol_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.purposes import Purpose
from core.exceptions import Conflict

from .announcing import announce
from .answers import Answer, check_answers
from .asking import asked_of
from .models import Annotation, Annotator
from .services import insert, known_submit, locked_slot, new_annotation, standing


@transaction.atomic
def revise(
    *,
    slot_key: uuid.UUID,
    annotator: Annotator,
    client_id: uuid.UUID,
    answers: Sequence[Answer],
    seconds: float | None = None,
) -> list[Annotation]:
    """Say something else on an instance labelled before; `seconds` is the time of this visit.

    Raises:
        NotFound, Conflict: see the table.
        InvalidInput: an answer breaks a rule of the protocol.
    """
    slot = locked_slot(slot_key, annotator)
    if (known := known_submit(slot, annotator, client_id, answers)) is not None:
        return known
    check_revisable(slot, annotator)
    protocol = protocol_of(slot.project)
    criteria = {criterion.key: criterion for criterion in criteria_of(slot.project)}
    asked = asked_of(slot, annotator, protocol, criteria, slot.instance.completions.count())
    check_answers(answers, asked, seconds)
    before = {row.criterion_id: row for row in standing(slot, annotator)}
    guideline, rows = guideline_of(slot.project), []
    for answer in answers:
        criterion = criteria[answer.criterion_key]
        row = new_annotation(slot, annotator, answer, criterion=criterion)
        row.guideline, row.client_id, row.seconds = guideline, client_id, seconds
        row.supersedes = before.get(criterion.pk)
        rows.append(row)
    insert(rows)
    announce(rows)
    return rows


def check_revisable(slot: Slot, annotator: Annotator) -> None:
    """Raises Conflict where the annotator's label on the slot cannot be changed."""
    if slot.annotator_id != annotator.pk or slot.state != SlotState.SUBMITTED:
        raise Conflict(_("You have no label on this instance that could be changed."))
    if slot.purpose == Purpose.QUALIFICATION:
        raise Conflict(
            _("An answer of the qualification round stands: you have seen its feedback.")
        )
