"""RFC 9457 problem details: the one shape of every API error."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_handler

from .exceptions import ApplicationError

CONTENT_TYPE = "application/problem+json"


def problem(status: int, detail: str, *, code: str = "", **extra: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:tandem:problem:{code}" if code else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return body | extra


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Translate our errors and DRF's into problem details."""
    if isinstance(error, ApplicationError):
        body = problem(error.status, error.message, code=error.code, **error.extra)
        return Response(body, status=error.status, content_type=CONTENT_TYPE)
    response = drf_handler(error, context)
    if response is None:
        return None
    if isinstance(error, APIException):
        details = error.get_full_details()
        extra = {"errors": details} if isinstance(details, (list, dict)) else {}
        response.data = problem(
            response.status_code, str(error.detail), code=str(error.default_code), **extra
        )
    else:
        response.data = problem(response.status_code, HTTPStatus(response.status_code).phrase)
    response.content_type = CONTENT_TYPE
    return response


def problem_response(request: HttpRequest, error: ApplicationError) -> JsonResponse:
    body = problem(
        error.status, error.message, code=error.code, instance=request.path, **error.extra
    )
    return JsonResponse(body, status=error.status, content_type=CONTENT_TYPE)
