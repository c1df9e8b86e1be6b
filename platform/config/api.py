"""Routes of the REST interface, version 1."""

from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

app_name = "api"


@cache
def whole_schema() -> dict[str, Any]:
    """The description of every route; it takes seconds to make and never changes in a process."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


class SchemaView(SpectacularAPIView):
    """The description, as YAML or as JSON."""

    def _get_schema_response(self, request: Request) -> Response:
        return Response(whole_schema(), headers={"Content-Disposition": "inline"})


urlpatterns: list[URLPattern | URLResolver] = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("", include("accounts.api")),
    path("", include("jobs.api")),
    path("", include("webhooks.api")),
    path("", include("annotation.api")),
    path("", include("training.api")),
    path("", include("routing.api")),
]
