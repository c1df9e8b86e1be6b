"""The qualification round: feedback after each answer, and who passes."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from annotation.labels.models import Annotation, Annotator
from annotation.projects.models import Protocol
from annotation.projects.selectors import protocol_of
from annotation.queue.purposes import Purpose
from audit.services import record

from .gold import known_answers, right


@dataclass(frozen=True)
class Standing:
    """Where an annotator stands in the round; `asked` is its length, `needed` the right answers."""

    asked: int
    answered: int
    right: int
    needed: int
    passed: bool

    @property
    def over(self) -> bool:
        return self.answered >= self.asked

    @property
    def failed(self) -> bool:
        return self.over and not self.passed


@dataclass(frozen=True)
class Feedback:
    """What to say about the answer just given, and where the annotator stands now."""

    right: bool
    text: str
    standing: Standing


def standing(annotator: Annotator, protocol: Protocol | None = None) -> Standing:
    """Where they stand. Answers to retired instances count too."""
    protocol = protocol or protocol_of(annotator.project)
    known = known_answers(annotator.project, annotator, [Purpose.QUALIFICATION]).get(annotator.pk)
    needed = -(-round(protocol.qualify_count * protocol.qualify_share * 1e6) // 1_000_000)
    return Standing(
        asked=protocol.qualify_count,
        answered=known.answered if known else 0,
        right=known.right if known else 0,
        needed=needed,
        passed=annotator.qualified_at is not None,
    )


@transaction.atomic
def decide(*, annotator: Annotator) -> bool:
    """Let them in when the round is over and enough is right; True when they are in."""
    protocol = protocol_of(annotator.project)
    row = Annotator.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    if row.qualified_at is None and protocol.qualify_count:
        found = standing(row, protocol)
        if found.over and found.right >= found.needed:
            row.qualified_at = timezone.now()
            row.save(update_fields=["qualified_at"])
    annotator.qualified_at = row.qualified_at
    return row.qualified_at is not None


@transaction.atomic
def admit(*, annotator: Annotator, by: User) -> None:
    """Let them in whatever the round said."""
    Annotator.objects.filter(pk=annotator.pk, qualified_at__isnull=True).update(
        qualified_at=timezone.now()
    )
    record(action="quality.admitted", actor=by, project=annotator.project, target=str(annotator.pk))


def on_labels(
    *, annotation_ids: list[int], project_id: int, purposes: Collection[str], **_: object
) -> None:
    """Receives `annotation_submitted`: the last answer of the round decides."""
    if Purpose.QUALIFICATION not in purposes:
        return
    rows = Annotation.objects.filter(pk__in=annotation_ids, purpose=Purpose.QUALIFICATION)
    for annotator in Annotator.objects.filter(
        pk__in=rows.values("annotator"), project=project_id, qualified_at__isnull=True
    ):
        decide(annotator=annotator)


def feedback_for(annotator: Annotator) -> Feedback | None:
    """What to show above the next instance: None unless their last answer was to qualify.

    One query for anybody else.
    """
    last = (
        Annotation.objects.filter(annotator=annotator, slot__isnull=False)
        .select_related("instance__gold")
        .order_by("-pk")
        .first()
    )
    if last is None or last.purpose != Purpose.QUALIFICATION or last.retracted:
        return None
    gold = getattr(last.instance, "gold", None)
    if gold is None:
        return None
    rows = Annotation.objects.filter(
        annotator=annotator, slot=last.slot, retracted=False, superseded_by__isnull=True
    ).select_related("criterion")
    asked = [row for row in rows if row.criterion.key in gold.answers]
    return Feedback(all(right(row, gold) for row in asked), gold.feedback, standing(annotator))
