"""What every request to the interface goes through: a limit, one answer to a key, one shape of
errors.
"""

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed

from core.addresses import address_of
from core.exceptions import ApplicationError, TooLarge, TooManyRequests
from core.problems import CONTENT_TYPE, problem, problem_response

from .authentication import token_of
from .idempotency import answered_once
from .models import User
from .throttling import counted

GetResponse = Callable[[HttpRequest], HttpResponse]
WINDOW = timedelta(minutes=1)
# Read into memory as a whole; files are sent as multipart, which is not.
_WHOLE = frozenset({"application/json", "application/x-www-form-urlencoded"})


def interface(get_response: GetResponse) -> GetResponse:
    """Below `/api/` only."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/"):
            return get_response(request)
        headers: dict[str, str] = {}
        try:
            response = _answered(request, get_response, headers)
        except ApplicationError as error:
            response = problem_response(request, error)
        response = _told_as_problem(request, response)
        for name, value in headers.items():
            response[name] = value
        response.headers.setdefault("Cache-Control", "private, no-cache")
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response

    return middleware


def _answered(
    request: HttpRequest, get_response: GetResponse, headers: dict[str, str]
) -> HttpResponse:
    user, who = _asker(request)
    _count(who, headers)
    if request.content_type in _WHOLE and _length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise TooLarge(
            _("The body is larger than %(most)d bytes: send it in parts, or as a file.")
            % {"most": settings.DATA_UPLOAD_MAX_MEMORY_SIZE}
        )
    return answered_once(request, user, get_response) if user else get_response(request)


def _length(request: HttpRequest) -> int:
    """The bytes that the body says it has; Django reads none of one whose length is no number."""
    given = request.META.get("CONTENT_LENGTH") or "0"
    return int(given) if given.isascii() and given.isdecimal() else 0


def _asker(request: HttpRequest) -> tuple[User | None, str]:
    """Who asks, and by what they are counted: the person, by all tokens together, or the address.

    A person can make tokens: a count for each would be no limit.
    """
    try:
        token = token_of(request)
    except (AuthenticationFailed, TooManyRequests):
        # The view says so.
        return None, f"address {address_of(request)}"
    if token is not None:
        return token.user, f"tokens of {token.user_id}"
    if isinstance(request.user, User):
        return request.user, f"user {request.user.pk}"
    return None, f"address {address_of(request)}"


def _count(who: str, headers: dict[str, str]) -> None:
    """Count the request and say in `headers` how many are left. One statement.

    Raises:
        TooManyRequests: none was left.
    """
    most = settings.API_REQUESTS_PER_MINUTE
    if not most:
        return
    count, seconds = counted(what="interface", who=who, within=WINDOW)
    headers["RateLimit-Policy"] = f'"minute";q={most};w={round(WINDOW.total_seconds())}'
    headers["RateLimit"] = f'"minute";r={max(0, most - count)};t={seconds}'
    if count > most:
        raise TooManyRequests(
            _("Too many requests: wait %(seconds)d s.") % {"seconds": seconds}, retry_after=seconds
        )


def _told_as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """An error that Django would tell as a page."""
    code = response.status_code
    if code < HTTPStatus.BAD_REQUEST or not response.get("Content-Type", "").startswith("text/"):
        return response
    details = {
        HTTPStatus.NOT_FOUND: _("There is nothing at this address."),
        HTTPStatus.INTERNAL_SERVER_ERROR: _("This went wrong here, and has been written down."),
    }
    phrase = HTTPStatus(code).phrase
    body = problem(code, details.get(HTTPStatus(code), phrase), instance=request.path)
    return JsonResponse(body, status=code, content_type=CONTENT_TYPE)
