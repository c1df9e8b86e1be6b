"""Routes of the REST interface, version 1."""

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

app_name = "api"

urlpatterns: list[URLPattern | URLResolver] = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("", include("accounts.api")),
    path("", include("jobs.api")),
    path("", include("annotation.api")),
    path("", include("training.api")),
    path("", include("routing.api")),
]
