"""Reads about labels, and all that the labelling page shows."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project
from annotation.instances.models import Completion
from annotation.projects.models import Criterion, Protocol
from annotation.projects.terms import Terms, terms_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.purposes import Purpose
from annotation.queue.selectors import left_for
from core.exceptions import NotFound

from .asking import asked_of
from .models import Annotation, Annotator, Draft


def current(
    project: Project,
    *,
    purposes: Collection[str] = (Purpose.LABEL, Purpose.REVIEW),
    excluded: bool = False,
) -> QuerySet[Annotation]:
    """What stands: annotations neither superseded nor retracted.

    Only labels and reviews by default: answers to gold and repeats measure people and are no
    data. Labels of excluded annotators are left out unless `excluded` asks for them.
    """
    standing = Annotation.objects.filter(
        project=project, retracted=False, superseded_by__isnull=True, purpose__in=purposes
    )
    return standing if excluded else standing.filter(annotator__excluded_at__isnull=True)


def history_of(annotator: Annotator) -> QuerySet[Annotation]:
    """Everything the annotator has done, newest first, retractions included.

    `changed` says that a later row supersedes the label.
    """
    later = Annotation.objects.filter(supersedes=OuterRef("pk"))
    return (
        Annotation.objects.filter(annotator=annotator)
        .select_related("instance", "criterion", "slot")
        .annotate(changed=Exists(later))
        .order_by("-pk")
    )


@dataclass(frozen=True)
class ShownCompletion:
    """A completion under the letter of its place on the screen."""

    letter: str
    # Canonical position: what a ranking is indexed by.
    position: int
    text: str
    parts: list[Any]
    # Its own prompt in joint comparison; None means the instance's messages.
    messages: list[dict[str, str]] | None


@dataclass(frozen=True)
class Progress:
    """Where this annotator stands: submitted by them, and open to them (held ones included).

    In a large project `open` is no exact number: see `annotation.queue.selectors.left_for`.
    """

    done: int
    open: int
    exact: bool = True

    @property
    def total(self) -> int:
        return self.done + self.open


@dataclass(frozen=True)
class LabelView:
    """All that the labelling page shows, and nothing that could sway: no generator, metadata,
    judge, other person's label, arm or gold mark."""

    slot_key: uuid.UUID
    messages: list[dict[str, str]]
    context: list[Any]
    completions: list[ShownCompletion]
    criteria: list[Criterion]
    protocol: Protocol
    guideline: str
    guideline_version: int
    draft: dict[str, Any]
    draft_revision: int
    # The policy `sampled` asks for a rationale here.
    rationale_drawn: bool = False
    # Best–worst scaling: groups of canonical positions; empty where ranks are asked.
    groups: Sequence[Sequence[int]] = ()


def label_view(slot: Slot, terms: Terms | None = None, *, with_guideline: bool = True) -> LabelView:
    """What the slot's annotator sees. A constant number of queries.

    A fragment of the page is shown beside a guideline that is there: it takes none.

    Raises:
        ValueError: nobody holds the slot.
    """
    if slot.annotator is None or slot.shown_order is None:
        raise ValueError("only a leased slot can be shown")
    terms = terms or terms_of(slot.project)
    shown = _shown(slot.shown_order, Completion.objects.raw(COMPLETIONS, [slot.instance_id]))
    instance, guideline = slot.instance, terms.guideline if with_guideline else None
    drafts = Draft.objects.raw(DRAFT, [slot.pk, slot.annotator.pk])
    draft = next(iter(drafts), None)
    asked = asked_of(slot, slot.annotator, terms.protocol, terms.by_key, len(shown))
    return LabelView(
        slot_key=slot.key,
        messages=instance.messages,
        context=instance.context,
        completions=shown,
        criteria=list(asked.criteria.values()),
        protocol=terms.protocol,
        guideline=guideline.text if guideline else "",
        guideline_version=guideline.version if guideline else 0,
        draft=draft.payload if draft else {},
        draft_revision=draft.revision if draft else 0,
        rationale_drawn=asked.rationale_drawn,
        groups=asked.groups,
    )


def annotator_in(project: Project, annotator_id: int) -> Annotator:
    """One annotator of the project.

    Raises:
        NotFound: there is no such annotator in this project.
    """
    found = Annotator.objects.filter(project=project, pk=annotator_id).first()
    if found is None:
        raise NotFound(_("There is no such annotator in this project."))
    return found


def own_slot(annotator: Annotator, key: uuid.UUID) -> Slot:
    """A slot of the annotator's project.

    Raises:
        NotFound: there is none with this key in the project.
    """
    query = "SELECT * FROM annotation_slot WHERE key = %s AND project_id = %s"
    slot = next(iter(Slot.objects.raw(query, [key, annotator.project_id])), None)
    if slot is None:
        raise NotFound(_("There is no such instance for you: ask for the next one."))
    return slot


def held_slot(annotator: Annotator, key: uuid.UUID) -> Slot:
    """A slot that the annotator holds or has filled.

    Raises:
        NotFound: there is no such slot of theirs.
    """
    slot = own_slot(annotator, key)
    if slot.annotator_id != annotator.pk or slot.shown_order is None:
        raise NotFound(_("There is no such instance for you: ask for the next one."))
    return slot


DRAFT = "SELECT * FROM annotation_draft WHERE slot_id = %s AND annotator_id = %s"

COMPLETIONS = "SELECT * FROM annotation_completion WHERE instance_id = %s"


def _shown(order: Sequence[int], completions: Iterable[Completion]) -> list[ShownCompletion]:
    by_position = {each.position: each for each in completions}
    return [
        ShownCompletion(letter_of(place), position, each.text, each.parts, each.messages)
        for place, position in enumerate(order)
        if (each := by_position[position])
    ]


def letter_of(place: int) -> str:
    """A … Z, then AA, AB, …"""
    rest, last = divmod(place, 26)
    return (ascii_uppercase[rest - 1] if rest else "") + ascii_uppercase[last]


def progress_of(annotator: Annotator) -> Progress:
    """One query for what is done and held, and what is left for them: no more than their quota."""
    mine = Slot.objects.filter(annotator=annotator).aggregate(
        done=Count("pk", filter=Q(state=SlotState.SUBMITTED)),
        held=Count("pk", filter=Q(state=SlotState.LEASED)),
    )
    left = left_for(annotator)
    open_ = left.instances + (mine["held"] if left.exact else 0)
    if annotator.quota is None or annotator.quota - mine["done"] > open_:
        return Progress(done=mine["done"], open=open_, exact=left.exact)
    return Progress(done=mine["done"], open=max(0, annotator.quota - mine["done"]))
