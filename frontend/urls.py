"""Every page."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, path

from .views import (
    data,
    home,
    instances,
    jobs,
    label,
    preferences,
    project,
    rounds,
    routing,
    runs,
)

P = "p/<slug:slug>/"

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("health/", home.system, name="health"),
    path("preferences/", preferences.preferences, name="preferences"),
    path(P + "label/", label.label, name="label"),
    path(P + "label/next/", label.label_next, name="label-next"),
    path(P + "label/submit/", label.label_submit, name="label-submit"),
    path(P + "label/undo/", label.label_undo, name="label-undo"),
    path(P + "label/skip/", label.label_skip, name="label-skip"),
    path(P + "label/draft/", label.label_draft, name="label-draft"),
    path(P + "history/", label.history, name="history"),
    path(P + "guideline/", label.guideline, name="guideline"),
    path(P, project.overview, name="project"),
    path(P + "instances/", instances.instance_list, name="instances"),
    path(P + "instances/<int:instance_id>/", instances.instance_detail, name="instance"),
    path(P + "routing/", routing.routing, name="routing"),
    path(P + "rounds/start/", rounds.round_start, name="round-start"),
    path(P + "rounds/<int:number>/", rounds.round_detail, name="round"),
    path(P + "rounds/<int:number>/continue/", rounds.round_continue, name="round-continue"),
    path(P + "runs/", runs.run_list, name="runs"),
    path(P + "runs/start/", runs.run_start, name="run-start"),
    path(P + "runs/<int:run_id>/", runs.run_detail, name="run"),
    path(P + "runs/<int:run_id>/cancel/", runs.run_cancel, name="run-cancel"),
    path(P + "runs/<int:run_id>/resume/", runs.run_resume, name="run-resume"),
    path(P + "data/", data.data, name="data"),
    path(P + "data/snapshots/", data.snapshot_build, name="snapshot-build"),
    path(P + "data/snapshots/<int:snapshot_id>/exports/", data.export_make, name="export-make"),
    path(P + "data/exports/<int:export_id>/", data.export_download, name="export-download"),
    path(P + "jobs/", jobs.job_list, name="jobs"),
    path(P + "jobs/<int:job_id>/", jobs.job_detail, name="job"),
    path(P + "jobs/<int:job_id>/cancel/", jobs.job_cancel, name="job-cancel"),
]
