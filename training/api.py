"""REST routes of this room."""

from django.urls import URLPattern, path

from training.registry import api as registry
from training.registry import api_models as models
from training.runs import api as runs
from training.runs import schedules_api as schedules
from training.serving import api as serving
from training.writeback import api as writeback

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
    path("projects/<slug:slug>/runs/check", schedules.RunCheckView.as_view(), name="run-check"),
    path("projects/<slug:slug>/schedules/", schedules.ScheduleListView.as_view(), name="schedules"),
    path(
        "projects/<slug:slug>/schedules/<slug:kind>/",
        schedules.ScheduleView.as_view(),
        name="schedule",
    ),
    path(
        "projects/<slug:slug>/models/<int:version_id>/files",
        schedules.ModelFilesView.as_view(),
        name="model-files",
    ),
    path("projects/<slug:slug>/gates/<slug:kind>/", registry.GateView.as_view(), name="gate"),
    path("projects/<slug:slug>/probes/<slug:kind>/", registry.ProbeView.as_view(), name="probes"),
    path(
        "projects/<slug:slug>/models/<int:version_id>/promote",
        registry.PromoteView.as_view(),
        name="model-promote",
    ),
    path(
        "projects/<slug:slug>/models/<int:version_id>/evaluations/",
        registry.EvaluationListView.as_view(),
        name="model-evaluations",
    ),
    path(
        "projects/<slug:slug>/models/<int:version_id>/comparisons/",
        registry.ComparisonListView.as_view(),
        name="model-comparisons",
    ),
    path(
        "projects/<slug:slug>/models/<int:version_id>/comparisons/<int:evaluation_id>/",
        registry.ComparisonView.as_view(),
        name="model-comparison",
    ),
    path(
        "projects/<slug:slug>/models/<int:version_id>/write-back",
        writeback.WriteBackView.as_view(),
        name="model-write-back",
    ),
    path("projects/<slug:slug>/write-back", writeback.WishesView.as_view(), name="write-back"),
    path(
        "projects/<slug:slug>/models/<str:model>/score",
        serving.ScoreView.as_view(),
        name="model-score",
    ),
    path(
        "projects/<slug:slug>/models/<str:model>/rerank",
        serving.RerankView.as_view(),
        name="model-rerank",
    ),
    *models.urlpatterns,
]
