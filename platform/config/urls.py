"""Every route: pages from `frontend`, the REST interface under `/api/v1/`."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("config.api")),
    path("", include("frontend.urls")),
]
