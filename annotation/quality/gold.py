"""Instances whose answer is known: making and retiring them, and how annotators do on them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import Project, User
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Instance, InstanceState
from annotation.labels.models import Annotation, Annotator
from annotation.labels.selectors import current
from annotation.projects.selectors import criteria_of
from annotation.queue.models import Slot, SlotState
from annotation.queue.openings import note_openings
from annotation.queue.purposes import Purpose
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from .bias import Share, wilson
from .models import Gold, GoldKind
from .relabelling import Requested, request_relabel
from .scoring import Given, is_right

MOST_FEEDBACK = 2000
CHECKS = (Purpose.GOLD, Purpose.QUALIFICATION)
WAITING = (SlotState.OPEN, SlotState.LEASED)


@transaction.atomic
def make_gold(
    *,
    instance: Instance,
    kind: str,
    answers: Mapping[str, Any],
    by: User | None,
    feedback: str = "",
    labelled: bool = False,
) -> Gold:
    """Turn an instance into one whose answer is known: it leaves the data and the queue.

    `answers`: `{criterion key: {"accept": [answer, …]}}`, see `scoring.py`. `labelled` allows an
    instance that has labels already; they stay, and count for nothing while it is gold.

    Raises:
        InvalidInput: the kind or a criterion is unknown, or nothing is accepted.
        Conflict: it is gold already, or has labels and `labelled` is not set.
    """
    # Slots before the instance, as everywhere: a submit holds its slot and waits for the instance.
    waiting = Slot.objects.filter(instance=instance, purpose=Purpose.LABEL, state__in=WAITING)
    held = list(waiting.select_for_update().order_by("pk").values_list("pk", flat=True))
    row = Instance.objects.select_for_update(no_key=True).get(pk=instance.pk)
    _check(row, kind, answers, feedback)
    there = Gold.objects.filter(instance=row).first()
    if there is not None and there.active:
        raise Conflict(_("This instance is gold already: retire it first."))
    if not labelled and current(row.project).filter(instance=row).exists():
        raise Conflict(_("This instance has labels already: promote it, or choose another."))
    Slot.objects.filter(pk__in=held).update(
        state=SlotState.WITHDRAWN, annotator=None, leased_until=None
    )
    row.state = InstanceState.GOLD
    row.save(update_fields=["state"])
    Consensus.objects.filter(instance=row).delete()
    values = {"kind": kind, "answers": dict(answers), "feedback": feedback.strip(), "active": True}
    gold, _created = Gold.objects.update_or_create(instance=row, defaults=values)
    record(action="quality.gold", actor=by, project=row.project, target=str(row.pk), kind=kind)
    return gold


def _check(instance: Instance, kind: str, answers: Mapping[str, Any], feedback: str) -> None:
    if kind not in GoldKind.values:
        raise InvalidInput(
            _("A gold instance is one of %(choices)s.") % {"choices": ", ".join(GoldKind.values)}
        )
    known = {criterion.key for criterion in criteria_of(instance.project)}
    if unknown := sorted(set(answers) - known):
        raise InvalidInput(_("This project does not ask for %(name)r.") % {"name": unknown[0]})
    if not answers or not all(each.get("accept") for each in answers.values()):
        raise InvalidInput(_("Say which answers are right, for at least one criterion."))
    if len(feedback) > MOST_FEEDBACK or "\0" in feedback:
        raise InvalidInput(
            _("The feedback has at most %(most_feedback)s characters.")
            % {"most_feedback": MOST_FEEDBACK}
        )


@transaction.atomic
def accept_also(*, gold: Gold, answers: Mapping[str, Any], by: User | None) -> Gold:
    """Count more answers as right, beside those that are.

    Args:
        answers: as in `make_gold`.

    Raises:
        InvalidInput: a criterion is unknown, or nothing new is accepted.
        Conflict: it is retired.
    """
    row = Gold.objects.select_for_update(no_key=True).get(pk=gold.pk)
    if not row.active:
        raise Conflict(_("This gold instance is retired."))
    _check(row.instance, row.kind, answers, row.feedback)
    before = dict(row.answers)
    for key, each in answers.items():
        there = row.answers.get(key, {}).get("accept", [])
        fresh = [answer for answer in each["accept"] if answer not in there]
        row.answers = {**row.answers, key: {"accept": [*there, *fresh]}}
    if row.answers == before:
        raise InvalidInput(_("This answer counts as right already."))
    row.save(update_fields=["answers"])
    record(
        action="quality.gold.answers",
        actor=by,
        project=row.instance.project,
        target=str(row.instance_id),
    )
    return row


@transaction.atomic
def promote(
    *, instance: Instance, by: User | None, kind: str = GoldKind.GOLD, feedback: str = ""
) -> Gold:
    """Make gold of a labelled instance: what people agree on is the answer.

    Raises:
        InvalidInput: people's labels decide no criterion.
        Conflict: it is gold already.
    """
    rows = Consensus.objects.filter(instance=instance, scope=Scope.HUMAN).select_related(
        "criterion"
    )
    answers = {row.criterion.key: {"accept": [answer]} for row in rows if (answer := _said(row))}
    if not answers:
        raise InvalidInput(_("People's labels decide nothing here yet."))
    return make_gold(
        instance=instance, kind=kind, answers=answers, by=by, feedback=feedback, labelled=True
    )


def _said(row: Consensus) -> dict[str, Any] | None:
    """The consensus as an accepted answer; None where it is even."""
    if row.scores:
        means = [None if mean is None else round(mean) for mean in row.scores["mean"]]
        return {"scores": means, "within": 1}
    if max(row.worth) - min(row.worth) < 1e-9:
        return None
    return {"ranking": [1 + sum(other > mine for other in row.worth) for mine in row.worth]}


@transaction.atomic
def retire_gold(*, gold: Gold, by: User | None) -> None:
    """The instance is data again; its withdrawn places open and its labels count.

    Raises:
        Conflict: it is retired already.
    """
    slots = Slot.objects.filter(
        instance=gold.instance_id,
        purpose=Purpose.LABEL,
        state=SlotState.WITHDRAWN,
        annotator__isnull=True,
    )
    held = list(slots.select_for_update().order_by("pk").values_list("pk", flat=True))
    row = Instance.objects.select_for_update(no_key=True).get(pk=gold.instance_id)
    if not Gold.objects.filter(pk=gold.pk, active=True).update(active=False):
        raise Conflict(_("This gold instance is retired."))
    routed = hasattr(row, "assignment")
    row.state = InstanceState.ROUTED if routed else InstanceState.NEW
    row.save(update_fields=["state"])
    if Slot.objects.filter(pk__in=held).update(state=SlotState.OPEN):
        note_openings(row.project_id, [row.pk])
    record(action="quality.gold.retired", actor=by, project=row.project, target=str(row.pk))


@transaction.atomic
def question_gold(*, gold: Sequence[Gold], by: User) -> Requested:
    """Retire gold that people doubt, and ask one more person about each instance."""
    for row in gold:
        retire_gold(gold=row, by=by)
    return request_relabel(
        project=gold[0].instance.project,
        instance_ids=[row.instance_id for row in gold],
        report="gold",
        by=by,
        reason=_("Doubted as gold"),
    )


def gold_of(project: Project) -> QuerySet[Gold]:
    """The project's gold with its instances, newest first."""
    return Gold.objects.filter(instance__project=project).select_related("instance").order_by("-pk")


@dataclass(frozen=True)
class Known:
    """How one annotator did where the answer is known: all criteria right, or wrong."""

    answered: int
    right: int
    attention_failed: int
    attention: int
    # Instances answered wrongly.
    wrong: tuple[int, ...]

    @property
    def share(self) -> Share | None:
        return wilson(self.right, self.answered)


def known_answers(
    project: Project,
    annotator: Annotator | None = None,
    purposes: Collection[str] = CHECKS,
) -> dict[int, Known]:
    """By annotator id, gold and qualification together by default; one query."""
    rows = _answers(project, purposes)
    if annotator is not None:
        rows = rows.filter(annotator=annotator)
    marks: dict[int, dict[int, tuple[bool, bool]]] = defaultdict(dict)
    for row in rows.order_by("pk"):
        gold = row.instance.gold
        if row.criterion.key not in gold.answers:
            continue
        mine = marks[row.annotator_id]
        before = mine.get(row.instance_id, (True, False))[0]
        mine[row.instance_id] = (
            before and right(row, gold),
            gold.kind == GoldKind.ATTENTION,
        )
    return {annotator_id: _known(found) for annotator_id, found in marks.items()}


def results_of(project: Project, instance_ids: Collection[int]) -> dict[int, Share | None]:
    """How often these gold instances were answered right, by instance id; one query."""
    rows = _answers(project, CHECKS).filter(instance__in=instance_ids)
    marks: dict[int, dict[int, bool]] = defaultdict(dict)
    for row in rows:
        if row.criterion.key in row.instance.gold.answers:
            mine = marks[row.instance_id]
            mine[row.annotator_id] = mine.get(row.annotator_id, True) and right(
                row, row.instance.gold
            )
    return {pk: wilson(sum(found.values()), len(found)) for pk, found in marks.items()}


def _answers(project: Project, purposes: Collection[str]) -> QuerySet[Annotation]:
    rows = current(project, purposes=purposes, excluded=True).filter(instance__gold__isnull=False)
    return rows.select_related("instance__gold", "criterion").defer(
        "rationale", "instance__messages", "instance__context"
    )


def right(row: Annotation, gold: Gold) -> bool:
    """The annotation is right on its criterion. Reads `row.criterion`."""
    given = Given(row.ranking, row.tie_kind, row.scores, row.unranked)
    return is_right(given, gold.answers[row.criterion.key]["accept"])


def _known(marks: Mapping[int, tuple[bool, bool]]) -> Known:
    attention = [is_fine for is_fine, checks in marks.values() if checks]
    return Known(
        answered=len(marks),
        right=sum(is_fine for is_fine, _ in marks.values()),
        attention_failed=attention.count(False),
        attention=len(attention),
        wrong=tuple(sorted(key for key, (is_fine, _) in marks.items() if not is_fine)),
    )
