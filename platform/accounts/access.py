"""What a token opens. A person in a browser may all that their role allows."""

from collections.abc import Collection

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from core.exceptions import Forbidden

from .models import Project, Scope, User


class InsufficientScope(Forbidden):
    """`extra` holds `scopes`: each of them would do."""

    code = "insufficient-scope"


def require(user: User | AnonymousUser, *scopes: Scope) -> None:
    """Pass who came without a token, or with one that has any of the scopes.

    For routes outside projects; `accounts.policies.project_for` asks for all others.

    Raises:
        InsufficientScope: the token has none of them.
    """
    token = getattr(user, "access_token", None)
    if token is None or set(token.scopes) & set(scopes):
        return
    raise InsufficientScope(
        _("This token may not do that: it needs the scope %(scopes)s.")
        % {"scopes": ", ".join(sorted(scopes))},
        scopes=sorted(scopes),
    )


def opens(user: User | AnonymousUser, project: Project) -> bool:
    """Whether the token, if any, is for this project too."""
    limit = limited_to(user)
    return limit is None or limit == project.pk


def limited_to(user: User | AnonymousUser) -> int | None:
    """The id of the one project that the token opens; None for all of the person's."""
    token = getattr(user, "access_token", None)
    return token.project_id if token is not None else None


def has(user: User | AnonymousUser, scopes: Collection[Scope]) -> bool:
    """Whether `require` would pass."""
    token = getattr(user, "access_token", None)
    return token is None or bool(set(token.scopes) & set(scopes))
