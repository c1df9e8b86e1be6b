"""Invitation links: making and revoking them, and joining through one.

What becomes of somebody who comes with a token:

| the link is                       | outcome                                              |
|-----------------------------------|------------------------------------------------------|
| open                              | a membership; one seat less                          |
| open, and they are a member       | nothing changes, no seat is taken                    |
| expired, used up or revoked       | Gone: the text says what to do                       |
| of somebody who may no longer     | Gone: a link is worth no more than who stands for it |
| give its role                     |                                                      |
| unknown                           | NotFound                                             |
"""

import hmac
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from core.exceptions import Conflict, Gone, InvalidInput, NotFound

from .models import Invitation, Membership, Project, Role, User
from .policies import may_grant, may_grant_any
from .services import create_user
from .tokens import digest, new_token

MOST_SEATS = 10_000
LONGEST = timedelta(days=366)


@transaction.atomic
def invite(
    *,
    project: Project,
    created_by: User,
    role: Role,
    seats: int,
    valid_for: timedelta,
    cohort: str = "",
) -> tuple[Invitation, str]:
    """A link for up to `seats` people; returns it with its token, which is kept nowhere.

    Raises:
        Forbidden: the role is above what `created_by` may give.
        InvalidInput: an owner's role, no seats, or a time that is over or longer than a year.
    """
    may_grant(created_by, project, role)
    if role == Role.OWNER:
        raise InvalidInput(_("Nobody becomes an owner by a link: change the role afterwards."))
    if not 1 <= seats <= MOST_SEATS:
        raise InvalidInput(_("A link has between 1 and %(most)d seats.") % {"most": MOST_SEATS})
    if not timedelta() < valid_for <= LONGEST:
        raise InvalidInput(_("A link is valid for at least a moment and at most a year."))
    token, stored = new_token()
    row = Invitation.objects.create(
        project=project,
        role=role,
        cohort=cohort.strip()[:40],
        seats=seats,
        expires_at=timezone.now() + valid_for,
        token_hash=stored,
        created_by=created_by,
    )
    return row, token


@transaction.atomic
def revoke(*, invitation: Invitation) -> Invitation:
    """Close the link; those who joined through it stay. Again: nothing changes."""
    Invitation.objects.filter(pk=invitation.pk, revoked_at__isnull=True).update(
        revoked_at=timezone.now()
    )
    invitation.refresh_from_db()
    return invitation


def invitation_by(token: str) -> Invitation:
    """The open invitation of a token.

    Raises:
        NotFound, Gone: see the table.
    """
    return _open(_find(token))


def _find(token: str, *, lock: bool = False) -> Invitation:
    rows = Invitation.objects.select_related("project")
    if lock:
        rows = rows.select_for_update(of=("self",))
    stored = digest(token)
    row = rows.filter(token_hash=stored).first()
    if row is None or not hmac.compare_digest(row.token_hash, stored):
        raise NotFound(
            _("This invitation link is not known here: copy the whole link, or ask for a new one.")
        )
    return row


def _open(invitation: Invitation) -> Invitation:
    reasons = {
        "revoked": _("This invitation link was withdrawn."),
        "expired": _("This invitation link has expired."),
        "used up": _("All seats of this invitation link are taken."),
        "void": _("This invitation link is void: who made it may no longer invite people."),
    }
    state = invitation.state
    if state == "open" and not _stands(invitation):
        state = "void"
    if reason := reasons.get(state):
        ask = _("Ask the person who sent it for a new link.")
        raise Gone(f"{reason} {ask}", state=state)
    return invitation


def _stands(invitation: Invitation) -> bool:
    """Whether who made the link may still give its role."""
    maker = invitation.created_by
    return maker is not None and invitation.role in may_grant_any(maker, invitation.project)


@transaction.atomic
def join(*, token: str, user: User) -> Membership:
    """Make the user a member with the link's role, and count the seat. The table says when.

    Raises:
        NotFound, Gone: see the table.
    """
    invitation = _find(token, lock=True)
    there = Membership.objects.filter(project=invitation.project_id, user=user).first()
    if there is not None:
        return there
    _open(invitation)
    Invitation.objects.filter(pk=invitation.pk).update(used=F("used") + 1)
    return Membership.objects.create(
        project=invitation.project, user=user, role=invitation.role, invitation=invitation
    )


def sign_up(*, token: str, username: str, password: str) -> Membership:
    """A new account and its membership: both, or neither.

    Raises:
        InvalidInput: the user name or the password breaks a rule, or the name is taken.
        NotFound, Gone: as `join`.
    """
    invitation_by(token)
    check_credentials(username=username, password=password)
    try:
        with transaction.atomic():
            user = create_user(username=username, password=password)
            return join(token=token, user=user)
    except IntegrityError as error:
        raise Conflict(_("Somebody took this user name a moment ago: choose another.")) from error


def check_credentials(*, username: str, password: str) -> None:
    """The rules of Django's user names and of the configured password validators.

    Raises:
        InvalidInput: the first rule that is broken, in words; `extra` names the `field`.
    """
    checked = User(username=username)
    try:
        checked.clean_fields(exclude={"password"})
    except ValidationError as error:
        message = next(iter(error.message_dict.values()))[0]
        raise InvalidInput(message, field="username") from error
    try:
        validate_password(password, user=checked)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), field="password") from error
