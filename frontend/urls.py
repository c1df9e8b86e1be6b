"""Every page."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import URLPattern, path

from .views import home, jobs, label

P = "p/<slug:slug>/"

urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("health/", home.system, name="health"),
    path(P + "label/", label.label, name="label"),
    path(P + "label/next/", label.label_next, name="label-next"),
    path(P + "label/submit/", label.label_submit, name="label-submit"),
    path(P + "label/undo/", label.label_undo, name="label-undo"),
    path(P + "label/skip/", label.label_skip, name="label-skip"),
    path(P + "label/draft/", label.label_draft, name="label-draft"),
    path(P + "history/", label.history, name="history"),
    path(P + "guideline/", label.guideline, name="guideline"),
    path(P + "jobs/", jobs.job_list, name="jobs"),
    path(P + "jobs/<int:job_id>/", jobs.job_detail, name="job"),
    path(P + "jobs/<int:job_id>/cancel/", jobs.job_cancel, name="job-cancel"),
]
