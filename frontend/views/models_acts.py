"""What is done with a model version: stages, evaluations, comparisons, write-back, relabelling."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.policies import Action, project_for
from core.exceptions import ApplicationError
from frontend.pages import user_of
from frontend.reading import whole
from training.registry import comparing, evaluations, services
from training.registry.models import ModelVersion
from training.registry.selectors import version_in
from training.writeback import relabelling
from training.writeback.models import RelabelBy
from training.writeback.services import start_write_back

from .models import version_page

Act = Callable[[HttpRequest, ModelVersion], str]


def _act(request: HttpRequest, slug: str, version_id: int, act: Act) -> HttpResponse:
    """Do it and go back to the version, or show the version with the refusal."""
    project = project_for(user_of(request), slug, Action.TRAIN)
    version = version_in(project, version_id)
    try:
        messages.success(request, act(request, version))
    except ApplicationError as error:
        return version_page(request, project, version_in(project, version_id), error)
    return redirect("model", slug, version_id)


@require_POST
@login_required
def model_stage(request: HttpRequest, slug: str, version_id: int) -> HttpResponse:
    return _act(request, slug, version_id, _move)


def _move(request: HttpRequest, version: ModelVersion) -> str:
    moved = services.promote(
        version=version,
        stage=request.POST.get("stage", ""),
        actor=user_of(request),
        override_reason=request.POST.get("reason", ""),
    )
    return _("%(version)s is now: %(stage)s.") % {"version": moved, "stage": moved.stage}


@require_POST
@login_required
def model_evaluate(request: HttpRequest, slug: str, version_id: int) -> HttpResponse:
    return _act(request, slug, version_id, _evaluate)


def _evaluate(request: HttpRequest, version: ModelVersion) -> str:
    source: dict[str, Any] = {}
    file = request.FILES.get("file")
    if file is not None:
        source["file"] = evaluations.keep_benchmark(name=file.name or "", chunks=file.chunks())
    elif path := request.POST.get("path", "").strip():
        source["path"] = path
    if request.POST.get("snapshot"):
        source["snapshot"] = whole(request.POST, "snapshot", _("Snapshot"))
    row = evaluations.start_evaluation(
        version=version,
        name=request.POST.get("name", ""),
        source=source,
        created_by=user_of(request),
    )
    return _("The evaluation “%(name)s” is queued.") % {"name": row.name}


@require_POST
@login_required
def model_people(request: HttpRequest, slug: str, version_id: int) -> HttpResponse:
    """Turn the samples of a policy into a project in which people compare them blind."""
    return _act(request, slug, version_id, _to_people)


def _to_people(request: HttpRequest, version: ModelVersion) -> str:
    row = comparing.samples_to_project(version=version, created_by=user_of(request))
    pairs = int(row.source["pairs"])
    return ngettext(
        "%(n)s pair waits to be compared in the project %(slug)s.",
        "%(n)s pairs wait to be compared in the project %(slug)s.",
        pairs,
    ) % {"n": pairs, "slug": row.source["slug"]}


@require_POST
@login_required
def model_win_rate(
    request: HttpRequest, slug: str, version_id: int, evaluation_id: int
) -> HttpResponse:
    """Read the win rate anew from the labels that there are by now."""

    def read(_request: HttpRequest, version: ModelVersion) -> str:
        figures = comparing.read_win_rate(comparing.comparison_of(version, evaluation_id))
        return _("Read anew.") if "win_rate" in figures else _("Nobody has labelled there yet.")

    return _act(request, slug, version_id, read)


@require_POST
@login_required
def model_write_back(request: HttpRequest, slug: str, version_id: int) -> HttpResponse:
    return _act(request, slug, version_id, _write_back)


def _write_back(request: HttpRequest, version: ModelVersion) -> str:
    everything = request.POST.get("everything") == "on"
    job = start_write_back(version=version, actor=user_of(request), everything=everything)
    return _("The write-back is queued as job #%(job)s.") % {"job": job.pk}


@require_POST
@login_required
def model_relabel(request: HttpRequest, slug: str, version_id: int) -> HttpResponse:
    return _act(request, slug, version_id, _relabel)


def _relabel(request: HttpRequest, version: ModelVersion) -> str:
    by = request.POST.get("by", "")
    sent = relabelling.send(
        version=version,
        by=by if by in RelabelBy.values else RelabelBy.TRUST,
        count=whole(request.POST, "count", _("How many")),
        actor=user_of(request),
    )
    return ngettext(
        "%(n)s instance was sent to be labelled again.",
        "%(n)s instances were sent to be labelled again.",
        sent.opened,
    ) % {"n": sent.opened}
