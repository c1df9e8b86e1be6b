"""REST routes of this room."""

from django.urls import URLPattern, path

from training.runs import api as runs

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/runs/", runs.RunListView.as_view(), name="runs"),
    path("projects/<slug:slug>/runs/<int:run_id>/", runs.RunView.as_view(), name="run"),
    path(
        "projects/<slug:slug>/runs/<int:run_id>/cancel",
        runs.RunCancelView.as_view(),
        name="run-cancel",
    ),
    path(
        "projects/<slug:slug>/runs/<int:run_id>/resume",
        runs.RunResumeView.as_view(),
        name="run-resume",
    ),
]
