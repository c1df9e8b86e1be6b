"""Coming into a study, coming back, stopping, finishing, and being away too long.

| who comes with the study's link and an id              | outcome                             |
|--------------------------------------------------------|-------------------------------------|
| an id the study does not know, places left             | an account of the study's own       |
| the same, no place left, or the study is not open      | Gone                                |
| a known id in the browser that is logged in as it      | goes on                             |
| a known id elsewhere, with the return code             | goes on; the code is used up        |
| a known id elsewhere without the code                  | Forbidden: nothing is said of it    |
| somebody who returned the study                        | Gone: there is no second time       |
| somebody who was away too long                         | goes on while a place is left       |
| the id of another study                                | another account: they never meet    |

The accounts have no password, and an id finds a participation of its study and nothing else: no
link logs anybody into an ordinary account. The study's row is locked before a participation's.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, DateTimeField, F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Membership, Project, Role, User
from accounts.services import add_member, create_user
from accounts.tokens import digest, new_code
from annotation.labels.models import Annotation, Draft
from annotation.labels.people import annotator_for
from annotation.queue.barriers import COUNTED
from annotation.queue.models import Slot, SlotState
from annotation.queue.services import qualify, release_all
from audit.services import record
from core.exceptions import Conflict, Forbidden, Gone, InvalidInput, NotFound
from core.hashing import content_hash

from .models import Earning, EarningKind, Participation, Stage, Study, StudyState

ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class Visitor:
    """What the crowd's link says of a person: never trusted to be true."""

    external_id: str
    study_id: str
    session_id: str


def read_visitor(values: Mapping[str, str]) -> Visitor:
    """The visitor of `PROLIFIC_PID`, `STUDY_ID` and `SESSION_ID`.

    Raises:
        InvalidInput: one is missing or is no id.
    """
    found = [values.get(name, "") for name in ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")]
    if not all(ID.fullmatch(value) for value in found):
        raise InvalidInput(
            _("This link is not complete. Open the study from its page at the crowd again.")
        )
    return Visitor(*found)


def study_by(token: str, visitor: Visitor | None = None) -> Study:
    """The study of a link's token.

    Raises:
        NotFound: no study has it, or the visitor comes from another study of the crowd's.
    """
    stored = digest(token)
    row = Study.objects.select_related("project").filter(token_hash=stored).first()
    if row is None or not hmac.compare_digest(row.token_hash, stored):
        raise NotFound(_("There is no such study. Open the study from its page again."))
    if visitor and row.external_id and visitor.study_id != row.external_id:
        raise NotFound(_("This link belongs to another study. Open yours from its page again."))
    return row


def known(study: Study, visitor: Visitor) -> Participation | None:
    """The participation of this id in this study, if there is one."""
    rows = Participation.objects.select_related("study__project", "user", "annotator")
    return rows.filter(study=study, external_id=visitor.external_id).first()


def check_open(study: Study) -> None:
    """Pass if the study takes people now.

    Raises:
        Gone: it is not open, or all places are taken.
    """
    if study.state != StudyState.OPEN or study.project.archived_at:
        raise Gone(_("This study takes nobody at the moment. Please return it at the crowd."))
    if study.taken >= study.places:
        raise Gone(_("All places of this study are taken. Please return it at the crowd."))


@transaction.atomic
def enter(*, study: Study, visitor: Visitor) -> tuple[Participation, str]:
    """A participation with an account of its own; returns it with its return code.

    Raises:
        Gone: the study is not open, or has no place left.
        Conflict: the id has taken part already.
    """
    row = _locked(study)
    if known(row, visitor):
        raise Conflict(_("This id has taken part already: come back with your return code."))
    check_open(row)
    name = f"study:{row.pk}:{content_hash([row.pk, visitor.external_id])[:16]}"
    user = create_user(username=name, password=None)
    add_member(project=row.project, user=user, role=Role.ANNOTATOR)
    annotator = annotator_for(project=row.project, user=user)
    annotator = qualify(annotator, cohort=row.cohort, quota=row.labels)
    code, stored = new_code()
    participation = Participation.objects.create(
        study=row,
        external_id=visitor.external_id,
        session_id=visitor.session_id,
        user=user,
        annotator=annotator,
        return_hash=stored,
        seen_at=timezone.now(),
    )
    Study.objects.filter(pk=row.pk).update(taken=F("taken") + 1)
    _note(participation, "study.entered")
    return participation, code


def _locked(study: Study) -> Study:
    """The study's row, locked, with the places of those who went away free again."""
    row = Study.objects.select_related("project").select_for_update(of=("self",)).get(pk=study.pk)
    if row.taken >= row.places and _time_out_in(row):
        row.refresh_from_db(fields=["taken"])
    return row


@transaction.atomic
def come_back(*, participation: Participation, code: str) -> tuple[Participation, str]:
    """Go on from another browser with the return code; returns the code for the next time.

    Raises:
        Forbidden: the code is wrong or used.
        Gone: as `go_on`.
    """
    _locked(participation.study)
    row = Participation.objects.select_for_update().get(pk=participation.pk)
    if not hmac.compare_digest(row.return_hash, digest(code.strip().upper())):
        raise Forbidden(_("This return code is not right, or it was used before."))
    fresh, row.return_hash = new_code()
    row.save(update_fields=["return_hash"])
    return go_on(participation=row), fresh


@transaction.atomic
def go_on(*, participation: Participation) -> Participation:
    """Note that the person is here; one who was away too long takes a place again.

    Raises:
        Gone: they returned the study, or there is no place left for them.
    """
    study = _locked(participation.study)
    row = Participation.objects.select_for_update().get(pk=participation.pk)
    if row.stage == Stage.RETURNED:
        raise Gone(_("You have returned this study: it cannot be taken a second time."))
    row.seen_at = timezone.now()
    if row.stage == Stage.TIMED_OUT:
        check_open(study)
        Study.objects.filter(pk=study.pk).update(taken=F("taken") + 1)
        row.stage, row.ended_at = Stage.ACTIVE, None
        add_member(project=study.project, user=row.user, role=Role.ANNOTATOR)
    row.save(update_fields=["seen_at", "stage", "ended_at"])
    return row


def labels_of(participation: Participation) -> int:
    """Instances with a standing label of theirs: what counts for completion.

    Hidden gold counts too, or the figure would tell which instances are gold; the qualification
    round, which everybody sees, does not, nor does a vote in the arena: they ask for those
    themselves.
    """
    rows = Annotation.objects.filter(
        annotator=participation.annotator_id,
        retracted=False,
        superseded_by__isnull=True,
        purpose__in=COUNTED,
    ).exclude(instance__battle__annotator=participation.annotator_id)
    return rows.aggregate(n=Count("slot", distinct=True))["n"] or 0


@transaction.atomic
def stop(*, participation: Participation) -> Participation:
    """End it before its end: every lease opens at once, the labels stay, the place is free.

    Raises:
        Conflict: it has ended already.
    """
    row = _end(participation, Stage.RETURNED)
    _note(row, "study.returned", labels=labels_of(row))
    return row


@transaction.atomic
def send_away(*, user: User, project: Project) -> int:
    """End the participation of somebody who is taken out, if they are at one: the study is over
    for them, or a pause long enough would let them in again. Returns the slots opened.
    """
    mine = Participation.objects.select_related("study").filter(user=user, study__project=project)
    if (found := mine.filter(stage=Stage.ACTIVE).first()) is None:
        return 0
    study = _locked(found.study)
    rows = mine.select_related("study__project", "annotator", "user")
    row = rows.select_for_update(of=("self",)).get(pk=found.pk)
    if row.stage != Stage.ACTIVE:
        return 0
    _note(row, "study.removed", labels=labels_of(row))
    return _close(row, study, Stage.RETURNED)


@transaction.atomic
def complete(*, participation: Participation) -> Participation:
    """End it with the completion code, after counting the labels. Again: nothing changes.

    Raises:
        Conflict: labels are missing (`extra` says how many), or it has ended otherwise.
    """
    _locked(participation.study)
    row = Participation.objects.select_related("study").get(pk=participation.pk)
    if row.stage == Stage.COMPLETED:
        return row
    done = labels_of(row)
    if (missing := row.study.labels - done) > 0:
        raise Conflict(
            _("%(missing)d more instances to label before this is complete.")
            % {"missing": missing},
            missing=missing,
        )
    row = _end(row, Stage.COMPLETED)
    _note(row, "study.completed", labels=done)
    return row


def _end(participation: Participation, stage: Stage) -> Participation:
    study = _locked(participation.study)
    rows = Participation.objects.select_related("study__project", "annotator", "user")
    row = rows.select_for_update(of=("self",)).get(pk=participation.pk)
    if row.stage != Stage.ACTIVE:
        raise Conflict(_("Your participation has ended already."))
    _close(row, study, stage)
    return row


def _close(row: Participation, study: Study, stage: Stage) -> int:
    """Leases open, the account may label no more, the place is free unless it was used.

    Returns how many slots opened.
    """
    row.stage, row.ended_at = stage, timezone.now()
    row.save(update_fields=["stage", "ended_at"])
    if stage == Stage.COMPLETED:
        _reward(row)
    else:
        Study.objects.filter(pk=study.pk).update(taken=F("taken") - 1)
    Membership.objects.filter(project=study.project_id, user=row.user_id).delete()
    return release_all(row.annotator)


def _reward(row: Participation) -> None:
    if row.study.reward_micros:
        Earning.objects.create(
            project_id=row.study.project_id,
            annotator_id=row.annotator_id,
            kind=EarningKind.STUDY,
            subject=f"study:{row.pk}",
            amount=row.study.reward_micros,
            currency=row.study.currency,
            labels=row.study.labels,
            worked_at=timezone.now(),
        )


def time_out() -> int:
    """End the participations of those who went away, in every study; returns how many."""
    studies = Study.objects.filter(participations__stage=Stage.ACTIVE).distinct()
    return sum(_time_out_study(study) for study in studies)


@transaction.atomic
def _time_out_study(study: Study) -> int:
    row = Study.objects.select_related("project").select_for_update(of=("self",)).get(pk=study.pk)
    return _time_out_in(row)


def _time_out_in(study: Study) -> int:
    """As `time_out`, in a study whose row is locked. Who has done everything has completed."""
    late = timezone.now() - timedelta(minutes=study.minutes)
    away = (
        Participation.objects.filter(study=study, stage=Stage.ACTIVE, seen_at__lt=late)
        .annotate(active_at=_last_activity())
        .filter(active_at__lt=late)
    )
    people = list(away.select_related("study__project", "annotator", "user"))
    for row in people:
        enough = labels_of(row) >= study.labels
        _close(row, study, Stage.COMPLETED if enough else Stage.TIMED_OUT)
        _note(row, f"study.{row.stage}")
    return len(people)


def _last_activity() -> Greatest:
    """The last that is known of somebody: seen, labelled, drafted, or took an instance."""

    def newest(rows: object, field: str) -> Coalesce:
        found = rows.values("annotator").annotate(at=Max(field)).values("at")  # type: ignore[attr-defined]
        return Coalesce(Subquery(found, output_field=DateTimeField()), F("seen_at"))

    mine = Q(annotator=OuterRef("annotator_id"))
    return Greatest(
        F("seen_at"),
        newest(Annotation.objects.filter(mine).order_by(), "created_at"),
        newest(Draft.objects.filter(mine).order_by(), "saved_at"),
        newest(Slot.objects.filter(mine, state=SlotState.LEASED).order_by(), "leased_at"),
    )


def _note(row: Participation, action: str, **data: object) -> None:
    record(
        action=action,
        actor=row.user,
        project=row.study.project,
        target=str(row.study_id),
        participation=row.pk,
        **data,
    )
