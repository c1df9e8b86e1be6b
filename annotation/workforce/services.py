"""The people of a project: inviting, joining, roles, what they may label, and letting go."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import invitations
from accounts import services as accounts
from accounts.models import Invitation, Membership, Project, Role, User
from accounts.policies import may_grant
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from annotation.queue.services import qualify, release_all
from audit.models import Event
from audit.services import record
from core.exceptions import Forbidden, InvalidInput

from .entry import send_away

MOST_QUALIFICATIONS = 40


@transaction.atomic
def invite(
    *,
    project: Project,
    actor: User,
    role: Role,
    seats: int,
    valid_for: timedelta,
    cohort: str = "",
) -> tuple[Invitation, str]:
    """A link for up to `seats` people, and its token, which is kept nowhere.

    Raises:
        Forbidden, InvalidInput: as `accounts.invitations.invite`.
    """
    row, token = invitations.invite(
        project=project,
        created_by=actor,
        role=role,
        seats=seats,
        valid_for=valid_for,
        cohort=read_cohort(cohort),
    )
    _note(actor, project, "invitation.created", row.pk, role=role, seats=seats)
    return row, token


@transaction.atomic
def revoke(*, invitation: Invitation, actor: User) -> Invitation:
    """Close the link; those who came through it stay."""
    _note(actor, invitation.project, "invitation.revoked", invitation.pk)
    return invitations.revoke(invitation=invitation)


@transaction.atomic
def join(*, token: str, user: User) -> Membership:
    """Come in through a link with the account one has.

    Raises:
        NotFound, Gone: as `accounts.invitations.join`.
        Forbidden: they were removed from the project after the link was made.
    """
    membership = invitations.join(token=token, user=user)
    if membership.invitation is not None and _sent_away(membership.invitation, user):
        raise Forbidden(
            _(
                "You were removed from this project: this link does not let you in again. Ask its "
                "owner for a new one."
            )
        )
    return _welcomed(membership)


def _sent_away(invitation: Invitation, user: User) -> bool:
    return Event.objects.filter(
        project=invitation.project_id,
        action="member.removed",
        data__user=user.pk,
        created_at__gt=invitation.created_at,
    ).exists()


@transaction.atomic
def sign_up(*, token: str, username: str, password: str) -> Membership:
    """Come in through a link with a new account: account, membership and cohort, or nothing.

    Raises:
        NotFound, Gone, InvalidInput, Conflict: as `accounts.invitations.sign_up`.
    """
    return _welcomed(
        invitations.sign_up(token=token, username=username, password=password), made=True
    )


def _welcomed(membership: Membership, *, made: bool = False) -> Membership:
    """Note the arrival; the link's cohort is the person's, unless they have one already."""
    invitation = membership.invitation
    if invitation is None:
        return membership
    annotator = annotator_for(project=membership.project, user=membership.user)
    if invitation.cohort and not annotator.cohort:
        qualify(annotator, cohort=invitation.cohort)
    _note(
        membership.user,
        membership.project,
        "member.joined",
        membership.pk,
        invitation=invitation.pk,
        account="new" if made else "known",
    )
    return membership


@transaction.atomic
def set_role(*, membership: Membership, role: Role, actor: User) -> Membership:
    """Give a member another role.

    Raises:
        Forbidden, Conflict: as `accounts.services.change_role`.
    """
    before = membership.role
    row = accounts.change_role(membership=membership, role=role, actor=actor)
    _note(actor, row.project, "member.role", row.pk, user=row.user_id, before=before, after=role)
    return row


@transaction.atomic
def remove(*, membership: Membership, actor: User) -> int:
    """Take somebody out; their labels stay, what they hold opens. Returns the slots opened.

    Of a participant of a study the place is free again, and they have had theirs.

    Raises:
        Forbidden, Conflict: as `accounts.services.remove_member`.
    """
    project, user, key = membership.project, membership.user, membership.pk
    # The study's row is locked before anything else of a participant.
    opened = send_away(user=user, project=project)
    accounts.remove_member(membership=membership, actor=actor)
    if annotator := Annotator.objects.filter(project=project, user=user).first():
        opened += release_all(annotator)
    _note(actor, project, "member.removed", key, user=user.pk, released=opened)
    return opened


@transaction.atomic
def set_work(
    *,
    membership: Membership,
    cohort: str,
    qualifications: Iterable[str],
    quota: int | None,
    actor: User,
) -> Annotator:
    """What a person may label: their cohort, their qualifications, and how many at most.

    Raises:
        Forbidden: the actor may not manage people.
        InvalidInput: a name is too long or holds other characters than a tag may, or a quota of 0.
    """
    may_grant(actor, membership.project)
    if quota is not None and quota < 1:
        raise InvalidInput(_("A quota is at least 1; leave it empty for none."))
    annotator = qualify(
        annotator_for(project=membership.project, user=membership.user),
        cohort=read_cohort(cohort),
        qualifications=read_qualifications(qualifications),
        quota=quota,
    )
    _note(
        actor,
        membership.project,
        "member.work",
        membership.pk,
        cohort=annotator.cohort,
        qualifications=annotator.qualifications,
        quota=quota,
    )
    return annotator


@transaction.atomic
def change_member(
    *, membership: Membership, actor: User, role: str | None = None, **work: Any
) -> Membership:
    """Change what is named of a member: `role`, `cohort`, `qualifications`, `quota`.

    Raises:
        Forbidden, Conflict, InvalidInput: as `set_role` and `set_work`.
    """
    if role is not None and role != membership.role:
        set_role(membership=membership, role=Role(role), actor=actor)
    if work:
        row = annotator_for(project=membership.project, user=membership.user)
        stands = {name: getattr(row, name) for name in ("cohort", "qualifications", "quota")}
        set_work(membership=membership, actor=actor, **stands | work)
    return membership


@transaction.atomic
def release_everything(*, membership: Membership, actor: User) -> int:
    """Open every slot the person holds, so that others may take them; returns how many.

    Raises:
        Forbidden: the actor may not manage people.
    """
    may_grant(actor, membership.project)
    annotator = Annotator.objects.filter(
        project=membership.project_id, user=membership.user_id
    ).first()
    opened = release_all(annotator) if annotator else 0
    _note(actor, membership.project, "member.released", membership.pk, released=opened)
    return opened


def read_cohort(text: str) -> str:
    """A cohort's name as it is stored.

    Raises:
        InvalidInput: it is longer than 40 characters or cannot be printed.
    """
    name = text.strip()
    if len(name) > 40 or not name.isprintable():
        raise InvalidInput(_("A cohort is a name of at most 40 characters."))
    return name


def read_qualifications(texts: Iterable[str]) -> list[str]:
    """Qualifications without doubles, sorted: `lang:de`, `domain:law`, `expert`.

    Raises:
        InvalidInput: one is longer than 80 characters, or there are more than 40.
    """
    found = sorted({text.strip() for text in texts} - {""})
    if len(found) > MOST_QUALIFICATIONS or any(
        len(one) > 80 or not one.isprintable() for one in found
    ):
        raise InvalidInput(
            _("Qualifications are at most 40 tags of at most 80 characters, such as lang:de.")
        )
    return found


def _note(actor: User, project: Project, action: str, target: int, **data: object) -> None:
    record(action=action, actor=actor, project=project, target=str(target), **data)
