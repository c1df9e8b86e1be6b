"""The form that says what is right on an instance: the labelling form without what is only asked
beside an answer. Completions stand in their stored order.
"""

import copy
import uuid
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.instances.models import Instance
from annotation.labels.models import Annotation
from annotation.labels.selectors import LabelView, ShownCompletion, letter_of
from annotation.labels.services import Answer
from annotation.projects.models import Protocol, RationalePolicy
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.quality.models import Gold
from core.exceptions import InvalidInput
from frontend.labelling import Shown, SlotForm, read_submit, slot_form
from frontend.spoken import spoken


def gold_form(instance: Instance, sent: QueryDict | None = None, problem: str = "") -> SlotForm:
    """The empty form, or what was sent with why it was refused."""
    completions = [
        ShownCompletion(
            letter_of(each.position), each.position, each.text, each.parts, each.messages
        )
        for each in instance.completions.all()
    ]
    view = LabelView(
        slot_key=uuid.uuid4(),
        messages=instance.messages,
        context=instance.context,
        completions=completions,
        criteria=criteria_of(instance.project),
        protocol=_plain(instance),
        guideline="",
        guideline_version=0,
        draft={},
        draft_revision=0,
    )
    return slot_form(view, dict(sent.lists()) if sent is not None else None, problem)


def _plain(instance: Instance) -> Protocol:
    """The protocol as gold compares: no strength, confidence, reasons, edits or groups."""
    protocol = copy.copy(protocol_of(instance.project))
    protocol.strength_levels = 1
    protocol.ask_confidence = protocol.post_edit = protocol.mark_steps = False
    protocol.best_worst = False
    protocol.rationale = RationalePolicy.NEVER
    return protocol


def read_gold(data: QueryDict, instance: Instance) -> dict[str, Any]:
    """What is right by criterion, as `make_gold` takes it; criteria left open are left out.

    Raises:
        InvalidInput: a field cannot be read.
    """
    criteria = criteria_of(instance.project)
    shown = Shown(range(instance.completions.count()))
    sent = read_submit(data, criteria, _plain(instance), shown)
    within = _within(data.get("within", ""))
    return {
        answer.criterion_key: {"accept": [_accepted(answer, within)]} for answer in sent.answers
    }


def _accepted(answer: Answer, within: int) -> dict[str, Any]:
    if answer.tie_kind:
        return {"tie_kind": str(answer.tie_kind)}
    if answer.scores:
        return {"scores": list(answer.scores), "within": within}
    return {"ranking": list(answer.ranking)}


def _within(raw: str) -> int:
    if raw and not (raw.isascii() and raw.isdigit() and len(raw) < 3):
        raise InvalidInput(_("How much a score may differ is a whole number from 0."))
    return int(raw or 0)


def spoken_gold(gold: Gold) -> list[tuple[str, list[str]]]:
    """The right answers in words by criterion, completions as A, B, … in their stored order."""
    return [
        (key, [_spoken(answer) for answer in each["accept"]]) for key, each in gold.answers.items()
    ]


def _spoken(answer: dict[str, Any]) -> str:
    scores, ranking = answer.get("scores") or [], answer.get("ranking") or []
    text = spoken(
        Annotation(
            ranking=ranking,
            scores=scores,
            tie_kind=answer.get("tie_kind", ""),
            shown_order=list(range(len(scores or ranking))),
        )
    )
    within = answer.get("within")
    return f"{text} (± {within})" if within else text
