"""Who asks the interface: a person by session, or a program by a token in their name."""

from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.addresses import address_of
from core.exceptions import TooManyRequests

from .access_tokens import PREFIX
from .models import AccessToken, User
from .throttling import attempt
from .tokens import digest

# Tokens that do not exist, from one address. A good one comes in all the same.
MOST_UNKNOWN, WINDOW = 60, timedelta(minutes=10)
LONGEST = 100
_MEMO = "_access_token"


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer tdm_…`."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        token = token_of(request._request)
        return (token.user, token) if token is not None else None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tandem"'


def token_of(request: HttpRequest) -> AccessToken | None:
    """The token that the request came with, looked up once; None where it came with none.

    Its user carries it as `access_token`. One query, and one write a minute.

    Raises:
        AuthenticationFailed: it is unknown, revoked or expired, or its owner is locked out.
        TooManyRequests: unknown ones have come from this address again and again.
    """
    if not hasattr(request, _MEMO):
        try:
            setattr(request, _MEMO, _looked_up(request))
        except (AuthenticationFailed, TooManyRequests) as error:
            setattr(request, _MEMO, error)
    found: AccessToken | Exception | None = getattr(request, _MEMO)
    if isinstance(found, Exception):
        raise found
    return found


def _looked_up(request: HttpRequest) -> AccessToken | None:
    kind, _space, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    text = secret.strip()
    token = _stored(text)
    if token is None:
        attempt(what="token", who=address_of(request), most=MOST_UNKNOWN, within=WINDOW)
        raise AuthenticationFailed(_("There is no such token."))
    if token.state != "open" or not token.user.is_active:
        raise AuthenticationFailed(
            _("This token is revoked.") if token.state != "expired" else _("This token is expired.")
        )
    _note_use(token)
    token.user.access_token = token
    return token


def _stored(text: str) -> AccessToken | None:
    if not text.startswith(PREFIX) or len(text) > LONGEST:
        return None
    return AccessToken.objects.select_related("user").filter(token_hash=digest(text)).first()


def _note_use(token: AccessToken) -> None:
    """Write down when it was last used; the condition keeps requests side by side to one write."""
    now = timezone.now()
    stale = now - timedelta(minutes=1)
    if token.last_used_at is None or token.last_used_at < stale:
        rows = AccessToken.objects.filter(Q(last_used_at__lt=stale) | Q(last_used_at=None))
        rows.filter(pk=token.pk).update(last_used_at=now)
