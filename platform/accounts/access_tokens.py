"""Making and revoking access tokens. A token is shown once, when it is made."""

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from core.exceptions import Conflict, Forbidden, InvalidInput, NotFound

from .access import limited_to, require
from .models import AccessToken, Membership, Project, Scope, User
from .tokens import digest, new_token

PREFIX = "tdm_"
SHOWN = 10
MOST_OPEN = 50


@transaction.atomic
def make_token(
    *, user: User, name: str, scopes: Collection[str], days: int, project: Project | None = None
) -> tuple[AccessToken, str]:
    """A token in the user's name that lasts `days`, and its text, which is kept nowhere.

    Raises:
        Forbidden: the user came with a token that is weaker in scopes, project or time, or has no
            login of their own.
        InvalidInput: no name, no known scope, or a time out of bounds.
        Conflict: the user has as many open tokens as one may.
    """
    if not user.has_usable_password():
        raise Forbidden(_("This account takes part in a study and has no login of its own."))
    _check(name, scopes, days, project, user)
    expires_at = timezone.now() + timedelta(days=days)
    _no_stronger_than_own(user, scopes, project, days)
    # Two that are made at once wait for one another, so that neither is one too many.
    User.objects.select_for_update().get(pk=user.pk)
    if open_tokens(user).count() >= MOST_OPEN:
        raise Conflict(_("There are %(most)d open tokens: revoke one first.") % {"most": MOST_OPEN})
    text = PREFIX + new_token()[0]
    token = AccessToken.objects.create(
        user=user,
        name=name.strip(),
        scopes=[scope for scope in Scope.values if scope in scopes],
        project=project,
        token_hash=digest(text),
        prefix=text[:SHOWN],
        expires_at=expires_at,
    )
    record(
        action="token.made",
        actor=user,
        project=project,
        target=f"token {token.pk}",
        scopes=token.scopes,
        days=days,
    )
    return token, text


@transaction.atomic
def revoke_token(*, token: AccessToken, actor: User) -> AccessToken:
    """End a token now; one that has ended stays as it is."""
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
        record(
            action="token.revoked", actor=actor, project=token.project, target=f"token {token.pk}"
        )
    return token


def tokens_of(user: User) -> QuerySet[AccessToken]:
    """The user's tokens, newest first; for one limited to a project, those of that project."""
    rows = AccessToken.objects.filter(user=user).select_related("project").order_by("-pk")
    limit = limited_to(user)
    return rows if limit is None else rows.filter(project=limit)


def open_tokens(user: User) -> QuerySet[AccessToken]:
    """Those that still open something."""
    rows = AccessToken.objects.filter(user=user, revoked_at=None)
    return rows.filter(expires_at__gt=timezone.now())


def token_in(user: User, token_id: int) -> AccessToken:
    """One of `tokens_of`.

    Raises:
        NotFound: the user has no such token.
    """
    row = tokens_of(user).filter(pk=token_id).first()
    if row is None:
        raise NotFound(_("You have no such token."))
    return row


def _check(
    name: str, scopes: Collection[str], days: int, project: Project | None, user: User
) -> None:
    if not name.strip():
        raise InvalidInput(_("Give the token a name by which you will know it."))
    unknown = sorted(set(scopes) - set(Scope.values))
    if unknown or not scopes:
        raise InvalidInput(
            _("Choose at least one scope of: %(scopes)s.") % {"scopes": ", ".join(Scope.values)}
        )
    if not 1 <= days <= settings.ACCESS_TOKEN_MAX_DAYS:
        raise InvalidInput(
            _("A token lasts 1 to %(most)d days.") % {"most": settings.ACCESS_TOKEN_MAX_DAYS}
        )
    if project and not Membership.objects.filter(project=project, user=user).exists():
        raise InvalidInput(_("There is no such project, or you are not a member of it."))


def _no_stronger_than_own(
    user: User, scopes: Collection[str], project: Project | None, days: int
) -> None:
    """Who came with a token can make no stronger one with it."""
    own = user.access_token
    if own is None:
        return
    require(user, Scope.MANAGE)
    longer = timezone.now() + timedelta(days=days) > own.expires_at
    elsewhere = own.project_id is not None and (project is None or project.pk != own.project_id)
    if longer or elsewhere or not set(scopes) <= set(own.scopes):
        raise Forbidden(
            _(
                "A token cannot make one with more rights: "
                "keep to its scopes, its project and its end."
            )
        )
