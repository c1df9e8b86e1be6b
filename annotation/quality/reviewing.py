"""Review: a label that decides, a verdict on somebody else's, and a note to its annotator."""

import math
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.consensus.models import Consensus, Scope
from annotation.consensus.services import update
from annotation.instances.models import Instance
from annotation.labels.models import Annotation, Annotator
from annotation.labels.selectors import current
from annotation.labels.services import Answer, submit
from annotation.projects.models import Kind, RationalePolicy
from annotation.projects.selectors import asked_among, criteria_of, protocol_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.purposes import Purpose
from annotation.queue.selectors import asked_on
from annotation.queue.services import draw_order, lease_end
from core.exceptions import Conflict, InvalidInput
from core.hashing import unit_interval

from .bias import Share, wilson
from .models import Remark

MOST_NOTE = 1000
SCORED = (Kind.RATING, Kind.BINARY)


@transaction.atomic
def place_for(*, instance: Instance, reviewer: Annotator) -> Slot:
    """The reviewer's own place on the instance, made on first use.

    It is withdrawn until they submit: nothing of the queue hands it out, holds it or counts it.
    """
    mine = Slot.objects.filter(instance=instance, annotator=reviewer, purpose=Purpose.REVIEW)
    if (slot := mine.first()) is not None:
        return slot
    Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    # Another tab may have made it while this one waited for the instance.
    if (slot := mine.first()) is not None:
        return slot
    there = Slot.objects.filter(instance=instance, purpose=Purpose.REVIEW)
    last = there.aggregate(last=Max("ordinal"))["last"]
    ordinal = 0 if last is None else last + 1
    slot = Slot(
        project_id=instance.project_id,
        instance=instance,
        purpose=Purpose.REVIEW,
        ordinal=ordinal,
        overlap=ordinal + 1,
        annotator=reviewer,
        state=SlotState.WITHDRAWN,
        criteria=asked_on(instance),
    )
    protocol, count = protocol_of(instance.project), instance.completions.count()
    slot.shown_order = draw_order(protocol, slot, reviewer, count)
    slot.save()
    return slot


@transaction.atomic
def submit_review(
    *,
    slot: Slot,
    reviewer: Annotator,
    client_id: uuid.UUID,
    answers: Sequence[Answer],
    seconds: float | None = None,
) -> list[Annotation]:
    """The reviewer's label decides the instance from now on.

    Raises:
        Conflict: they have reviewed it already.
        InvalidInput: an answer breaks a rule of the protocol.
    """
    until = lease_end(protocol_of(reviewer.project), timezone.now())
    Slot.objects.filter(pk=slot.pk, annotator=reviewer, state=SlotState.WITHDRAWN).update(
        state=SlotState.LEASED, leased_at=timezone.now(), leased_until=until
    )
    rows = submit(
        slot_key=slot.key,
        annotator=reviewer,
        client_id=client_id,
        answers=answers,
        seconds=seconds,
    )
    update(project=reviewer.project, instance_ids=[slot.instance_id])
    return rows


def majority_answers(instance: Instance) -> list[Answer]:
    """What people's consensus says, as answers to every criterion that is asked: the order of the
    worths, and the mean score rounded to a level.

    Raises:
        Conflict: it leaves a criterion open (no label, or even), or the project asks for more than
            a consensus knows.
    """
    protocol = protocol_of(instance.project)
    if protocol.mark_steps or protocol.best_worst:
        raise Conflict(_("This project asks for more than a majority can say: give your own."))
    found = Consensus.objects.filter(instance=instance, scope=Scope.HUMAN).select_related(
        "criterion"
    )
    rows = {row.criterion_id: row for row in found}
    answers = []
    for criterion in asked_among(criteria_of(instance.project), asked_on(instance)):
        row = rows.get(criterion.pk)
        if row is None:
            raise Conflict(_("There is no majority to accept on every criterion: give your own."))
        kind = criterion.asks(protocol)
        answers.append(_scored(row, kind) if kind in SCORED else _ranked(row))
    return answers


def _ranked(row: Consensus) -> Answer:
    ranking = [1 + sum(other > mine + 1e-9 for other in row.worth) for mine in row.worth]
    if set(ranking) == {1}:
        raise Conflict(_("The labels are even: there is no majority to accept."))
    return Answer(row.criterion.key, ranking)


def _scored(row: Consensus, kind: Kind) -> Answer:
    means = (row.scores or {}).get("mean", [])
    if not any(mean is not None for mean in means):
        raise Conflict(_("There is no majority to accept on every criterion: give your own."))
    if kind == Kind.BINARY and 0.5 in means:
        raise Conflict(_("The labels are even: there is no majority to accept."))
    scores = [None if mean is None else math.floor(mean + 0.5) for mean in means]
    return Answer(row.criterion.key, [], scores=scores)


@transaction.atomic
def accept_majority(
    *, slot: Slot, reviewer: Annotator, client_id: uuid.UUID, seconds: float | None = None
) -> list[Annotation]:
    """A review that says what the majority says.

    Raises:
        Conflict: there is no majority, or they have reviewed it already.
    """
    return submit_review(
        slot=slot,
        reviewer=reviewer,
        client_id=client_id,
        answers=[_reasoned(each, slot) for each in majority_answers(slot.instance)],
        seconds=seconds,
    )


def _reasoned(answer: Answer, slot: Slot) -> Answer:
    """Where the project asks for reasons, the reason is that it is the majority."""
    if protocol_of(slot.project).rationale == RationalePolicy.NEVER:
        return answer
    return replace(answer, rationale=_("Accepted the majority."))


@transaction.atomic
def remark(
    *,
    annotation: Annotation,
    by: User,
    agrees: bool | None = None,
    note: str = "",
    drawn: bool = False,
) -> Remark:
    """A verdict on one annotation, a note to its annotator, or both; a later one replaces it.

    `drawn` says that it was among `labels_to_check`; once it was, it stays so.

    Raises:
        InvalidInput: it says nothing, or the note is longer than 1000 characters.
    """
    note = note.strip()
    if len(note) > MOST_NOTE or "\0" in note:
        raise InvalidInput(
            _("A note has at most %(most_note)s characters.") % {"most_note": MOST_NOTE}
        )
    if agrees is None and not note:
        raise InvalidInput(_("Say whether you agree, or write a note."))
    row, _created = Remark.objects.update_or_create(
        annotation=annotation,
        by=by,
        defaults={"agrees": agrees, "note": note},
        create_defaults={"agrees": agrees, "note": note, "drawn": drawn},
    )
    return row


def remarks_for(annotator: Annotator) -> QuerySet[Remark]:
    """Notes that reviewers left on this annotator's labels, newest first, without their names."""
    return (
        Remark.objects.filter(annotation__annotator=annotator)
        .exclude(note="")
        .select_related("annotation__instance", "annotation__criterion")
        .order_by("-pk")
    )


def disagreements(
    project: Project,
    *,
    criterion: int | None = None,
    tag: str = "",
    new_to: Annotator | None = None,
) -> QuerySet[Consensus]:
    """People's consensus of two labels or more that no review decided, most uncertain first.

    `new_to` leaves out what this reviewer has submitted: who could not judge it decided nothing.
    """
    rows = (
        Consensus.objects.filter(
            instance__project=project, scope=Scope.HUMAN, labels__gte=2, entropy__gt=0
        )
        .exclude(method="review")
        .select_related("instance", "criterion")
    )
    if criterion is not None:
        rows = rows.filter(criterion=criterion)
    if tag:
        rows = rows.filter(instance__tags__contains=[tag])
    if new_to is not None:
        done = {"purpose": Purpose.REVIEW, "state": SlotState.SUBMITTED}
        rows = rows.exclude(instance__in=new_to.slots.filter(**done).values("instance"))
    return rows.order_by("-entropy", "-labels", "pk")


def labels_to_check(annotator: Annotator, by: User, count: int = 10) -> list[Annotation]:
    """A random draw of the annotator's labels that this reviewer has not judged yet: the same on
    every visit, and nobody can tell beforehand which."""
    rows = current(annotator.project, purposes=(Purpose.LABEL,), excluded=True)
    rows = rows.filter(annotator=annotator).exclude(remarks__by=by)
    salt = protocol_of(annotator.project).salt
    drawn = sorted(
        rows.values_list("pk", flat=True), key=lambda pk: unit_interval(salt, "check", by.pk, pk)
    )[:count]
    found = (
        rows.filter(pk__in=drawn)
        .select_related("instance", "criterion")
        .prefetch_related("instance__completions")
        .in_bulk()
    )
    return [found[pk] for pk in drawn if pk in found]


@dataclass(frozen=True)
class Checked:
    """Reviewers' verdicts on one annotator: of those on a random draw the share that agree, and
    how many agree and disagree among the others, which were chosen because people differ."""

    drawn: Share | None
    agreed: int
    disagreed: int


def checked(annotator: Annotator) -> Checked:
    """One query. A label that several reviewers judged counts once for each."""
    verdicts = Counter(
        Remark.objects.filter(annotation__annotator=annotator, agrees__isnull=False).values_list(
            "drawn", "agrees"
        )
    )
    right, wrong = verdicts[True, True], verdicts[True, False]
    return Checked(wilson(right, right + wrong), verdicts[False, True], verdicts[False, False])
