"""RFC 9457 problem details: the one shape of every API error."""

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import APIException, ParseError
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
        seconds = error.extra.get("retry_after")
        headers = {"Retry-After": str(seconds)} if seconds else None
        return Response(body, status=error.status, headers=headers, content_type=CONTENT_TYPE)
    if isinstance(error, RecursionError):
        error = ParseError("The JSON is nested too deeply.")
    response = drf_handler(error, context)
    if response is None:
        return None
    if isinstance(error, APIException):
        details = error.get_full_details()
        extra = {"errors": details} if isinstance(details, (list, dict)) else {}
        response.data = problem(
            response.status_code, _told(error.detail), code=str(error.default_code), **extra
        )
    else:
        response.data = problem(response.status_code, HTTPStatus(response.status_code).phrase)
    response.content_type = CONTENT_TYPE
    return response


def _told(detail: Any) -> str:
    """DRF's nested details as one sentence per field."""
    if isinstance(detail, dict):
        return " ".join(f"{field}: {_told(each)}" for field, each in detail.items())
    if isinstance(detail, list):
        return " ".join(_told(each) for each in detail)
    return str(detail)


def problem_response(request: HttpRequest, error: ApplicationError) -> JsonResponse:
    body = problem(
        error.status, error.message, code=error.code, instance=request.path, **error.extra
    )
    seconds = error.extra.get("retry_after")
    headers = {"Retry-After": str(seconds)} if seconds else None
    return JsonResponse(body, status=error.status, headers=headers, content_type=CONTENT_TYPE)
