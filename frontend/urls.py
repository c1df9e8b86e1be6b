"""Every page."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST
from django.views.i18n import JavaScriptCatalog, set_language

from .views import (
    arena,
    arena_settings,
    data,
    home,
    instances,
    jobs,
    label,
    media,
    preferences,
    project,
    rounds,
    routing,
    runs,
    upload,
)

P = "p/<slug:slug>/"

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("health/", home.system, name="health"),
    path("language/", require_POST(set_language), name="language"),
    path("texts.js", JavaScriptCatalog.as_view(packages=["frontend"]), name="texts"),
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
    path(P + "arena/", arena.arena, name="arena"),
    path(P + "arena/ask/", arena.arena_ask, name="arena-ask"),
    path(P + "arena/settings/", arena_settings.arena_settings, name="arena-settings"),
    path(P + "arena/settings/save/", arena_settings.arena_save, name="arena-save"),
    path(P + "arena/contestants/", arena_settings.contestant_add, name="contestant-add"),
    path(
        P + "arena/contestants/<int:contestant_id>/",
        arena_settings.contestant_act,
        name="contestant-act",
    ),
    path(P + "arena/<uuid:battle>/", arena.arena_battle, name="arena-battle"),
    path(P + "arena/<uuid:battle>/continue/", arena.arena_continue, name="arena-continue"),
    path(P + "arena/<uuid:battle>/vote/", arena.arena_vote, name="arena-vote"),
    path(P + "instances/", instances.instance_list, name="instances"),
    path(P + "instances/<int:instance_id>/", instances.instance_detail, name="instance"),
    path(P + "upload/", upload.upload, name="upload"),
    path(P + "upload/file/", upload.upload_file, name="upload-file"),
    path(P + "upload/start/", upload.upload_start, name="upload-start"),
    path(P + "media/<slug:digest>/", media.media, name="media"),
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
