"""Request log with a request id, the strict content security policy, refusals, errors as pages."""

import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.http.request import UnreadablePostError
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.cache import has_vary_header, patch_vary_headers

from .exceptions import ApplicationError
from .problems import problem_response

log = structlog.get_logger("request")
GetResponse = Callable[[HttpRequest], HttpResponse]
UTF_8 = ("utf-8", "utf8", "us-ascii", "ascii")
NUL = "The request holds a NUL character: remove it."

# No inline script or style anywhere; media of completions load only after a click, over https.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; "
    "media-src 'self' data: https:; font-src 'self'; connect-src 'self'; frame-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def request_log(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        request_id = request.headers.get("X-Request-ID", "")[:64] or uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = get_response(request)
        log.info(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            user=getattr(getattr(request, "user", None), "pk", None),
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        response["X-Request-ID"] = request_id
        return response

    return middleware


def content_security_policy(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        return response

    return middleware


def private_pages(get_response: GetResponse) -> GetResponse:
    """What depends on who asks is kept by nobody in between, and by the browser only to ask again.

    With htmx's header many an address answers with a fragment: the two are kept apart.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if has_vary_header(response, "Cookie"):
            response.headers.setdefault("Cache-Control", "private, no-cache")
            patch_vary_headers(response, ["HX-Request"])
        return response

    return middleware


class readable_text:  # noqa: N801 - middleware reads as a function in settings
    """Refuse what nothing behind here could store or read, before a session or a view tries to.

    That is a NUL character in a cookie, the query or a form (PostgreSQL stores none), a form that
    is cut off or not UTF-8, and any body said to be in another encoding: Python counts packing and
    ciphers among them. The API is exempt from the CSRF check, checks its input with its
    serializers, and keeps its bodies unread until it knows who asks.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        charset = (request.content_params or {}).get("charset", UTF_8[0])
        if charset.lower() not in UTF_8:
            return _unreadable(request, "Send the body as UTF-8.")
        if _has_nul(request.COOKIES.values()) or _has_nul(_texts(request.GET)):
            return _unreadable(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if getattr(view, "csrf_exempt", False):
            return None
        try:
            refused = _has_nul(_texts(request.POST))
        except (BadRequest, UnreadablePostError):
            refused = True
        return _unreadable(request) if refused else None


def _texts(form: QueryDict) -> Iterable[str]:
    return (text for name, values in form.lists() for text in (name, *values))


def _has_nul(texts: Iterable[str]) -> bool:
    return any("\0" in text for text in texts)


def _unreadable(request: HttpRequest, reason: str = NUL) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problem_response(request, ApplicationError(reason))
    # Without the request: its user may be what cannot be read.
    return HttpResponseBadRequest(render_to_string("400.html"))


class application_errors:  # noqa: N801 - middleware reads as a function in settings
    """Turn an `ApplicationError` into a problem (API), a fragment (htmx) or a page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, ApplicationError):
            return None
        if request.path.startswith("/api/"):
            return problem_response(request, error)
        template = "_error.html" if request.headers.get("HX-Request") else "error.html"
        response = render(request, template, {"error": error}, status=error.status)
        if retry_after := error.extra.get("retry_after"):
            response["Retry-After"] = str(retry_after)
        return response
