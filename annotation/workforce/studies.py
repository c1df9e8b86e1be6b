"""Studies: calls for people of a crowd, made and opened by those who manage people."""

import re
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from accounts.policies import may_grant
from accounts.tokens import new_token
from audit.services import record
from core.exceptions import Conflict, InvalidInput

from .models import Study, StudyState
from .services import read_cohort

CODE = re.compile(r"[A-Za-z0-9_-]{1,40}")
NEXT = {
    StudyState.DRAFT: {StudyState.OPEN, StudyState.CLOSED},
    StudyState.OPEN: {StudyState.PAUSED, StudyState.CLOSED},
    StudyState.PAUSED: {StudyState.OPEN, StudyState.CLOSED},
    StudyState.CLOSED: set(),
}


# The crowd puts the ids in; these are its own placeholders.
PROLIFIC = "&PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"


@transaction.atomic
def create_study(
    *,
    project: Project,
    actor: User,
    name: str,
    labels: int,
    places: int,
    completion_code: str,
    intro: str = "",
    cohort: str = "",
    reward_micros: int = 0,
    currency: str = "USD",
    minutes: int = 60,
    screen_out_code: str = "",
    external_id: str = "",
) -> tuple[Study, str]:
    """A study in draft, and the token of its link, which is kept nowhere.

    Raises:
        Forbidden: the actor may not manage people.
        InvalidInput: a number or a code is out of range.
    """
    may_grant(actor, project)
    _check_numbers(labels=labels, places=places, minutes=minutes, reward_micros=reward_micros)
    _check_codes(completion_code, screen_out_code, external_id)
    if not name.strip() or not re.fullmatch(r"[A-Z]{3}", currency):
        raise InvalidInput(_("A study needs a name and a currency of three letters."))
    token, stored = new_token()
    row = Study.objects.create(
        project=project,
        name=name.strip()[:120],
        intro=intro,
        cohort=read_cohort(cohort),
        labels=labels,
        places=places,
        minutes=minutes,
        reward_micros=reward_micros,
        currency=currency,
        completion_code=completion_code,
        screen_out_code=screen_out_code,
        external_id=external_id,
        token_hash=stored,
    )
    _note(actor, row, "study.created", places=places, labels=labels)
    return row, token


def _check_numbers(*, labels: int, places: int, minutes: int, reward_micros: int) -> None:
    ranges = (
        (1 <= labels <= 10_000, _("A study asks for 1 to 10,000 labels of everybody.")),
        (1 <= places <= 100_000, _("A study has 1 to 100,000 places.")),
        (1 <= minutes <= 10_080, _("A study gives 1 minute to 7 days.")),
        (0 <= reward_micros <= 10**10, _("The reward is between 0 and 10,000.")),
    )
    for fits, message in ranges:
        if not fits:
            raise InvalidInput(message)


def _check_codes(completion: str, screen_out: str, external: str) -> None:
    for code in (completion, screen_out or "x"):
        if not CODE.fullmatch(code):
            raise InvalidInput(_("A code has 1 to 40 letters, digits, hyphens or underscores."))
    if completion == screen_out:
        raise InvalidInput(_("Give those who do not take part another code than the completed."))
    if external and not CODE.fullmatch(external):
        raise InvalidInput(_("The crowd's study id has letters, digits, hyphens, underscores."))


@transaction.atomic
def set_state(*, study: Study, state: str, actor: User) -> Study:
    """Open, pause or close a study. Those at work may finish whatever its state.

    Raises:
        Forbidden: the actor may not manage people.
        Conflict: the study cannot go there from where it is; a closed one stays closed.
    """
    may_grant(actor, study.project)
    row = Study.objects.select_for_update().get(pk=study.pk)
    if state not in NEXT[StudyState(row.state)]:
        raise Conflict(_("The study is %(state)s: it cannot become that.") % {"state": row.state})
    row.state = state
    row.save(update_fields=["state"])
    _note(actor, row, "study.state", state=state)
    return row


@transaction.atomic
def new_link(*, study: Study, actor: User) -> str:
    """Another token for the study's link; the old link ends at once.

    Raises:
        Forbidden: the actor may not manage people.
    """
    may_grant(actor, study.project)
    token, stored = new_token()
    Study.objects.filter(pk=study.pk).update(token_hash=stored)
    _note(actor, study, "study.link")
    return token


def _note(actor: User, study: Study, action: str, **data: Any) -> None:
    record(action=action, actor=actor, project=study.project, target=str(study.pk), **data)
