"""The description of the interface to read and to try."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe


@require_safe
@ensure_csrf_cookie
def api_docs(request: HttpRequest) -> HttpResponse:
    """For everybody: the program that draws it comes from this server and runs no inline code."""
    return render(request, "api_docs/page.html")
