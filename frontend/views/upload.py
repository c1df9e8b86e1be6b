"""Bringing instances: say where they are, see what importing them would do, import them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.instances import uploads
from annotation.instances.adapters import ADAPTERS, Adapter
from annotation.instances.media import ALLOWED, keep_media
from annotation.instances.models import InstanceState
from annotation.instances.receiving import is_too_large
from annotation.instances.sources import below, parse_source
from annotation.instances.sources.keeping import SUFFIXES, suffix_of
from annotation.instances.sources.looking import COLUMNS, Look, look_into
from annotation.projects.selectors import criteria_of, protocol_of
from core.exceptions import ApplicationError, InvalidInput, NotFound
from core.spreadsheets import as_text
from frontend import mapping
from frontend.pages import project_page, user_of
from jobs.models import Job
from jobs.selectors import job_in, jobs_of

RECENT = 5
MOST_ERRORS = 50
# As many changes of an import are kept in its report.
MOST_CHANGES = 200
MOST_OPTIONS = 20_000
# What a dry run or an import says of an instance: in words, and as what it is coloured.
OUTCOMES = {
    "created": (gettext_lazy("new"), "good"),
    "updated": (gettext_lazy("changed"), "accent"),
    "label added": (gettext_lazy("labels added"), "accent"),
    "refused": (gettext_lazy("refused"), "bad"),
}
# A guess below says only that it is a table.
LEAST_SHOWN = 0.1
PLACES = {
    "file": gettext_lazy("Upload"),
    "path": gettext_lazy("Folder of the server"),
    "url": gettext_lazy("URL"),
    "hub": gettext_lazy("Hugging Face"),
}


@require_safe
@login_required
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Where instances may come from, the format, and the latest imports."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    try:
        return _page(request, project, request.GET.get("from", "file"))
    except NotFound as error:
        return _page(request, project, "path", error=error)


@require_POST
@login_required
def upload_file(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what was chosen; a file of instances is looked into before it is imported."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    try:
        lines, media = _sorted_out(request)
        _keep_media(request, project, media)
        if lines is None:
            return redirect("upload", slug)
        kept = uploads.keep_upload(name=str(lines.name), chunks=lines.chunks())
    except ApplicationError as error:
        return _page(request, project, "file", error=error)
    return _to_look(project, uploads.Bundle.of_upload(kept))


@require_POST
@login_required
def upload_source(request: HttpRequest, slug: str) -> HttpResponse:
    """Find what is below a folder, at a URL or on the hub; what is small is fetched at once."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    kind = request.POST.get("kind", "")
    fields = ("url", "path", "dataset", "config", "split", "revision")
    given = {name: request.POST[name] for name in fields if request.POST.get(name)}
    try:
        bundle = uploads.Bundle.of_source(parse_source({"kind": kind, **given}))
        large = uploads.first_of(bundle) is None
    except ApplicationError as error:
        return _page(request, project, kind, error=error, given=given)
    return _to_look(project, bundle, large=large)


@require_safe
@login_required
def upload_look(request: HttpRequest, slug: str) -> HttpResponse:
    """What was recognised, what the columns mean, and what importing the first rows would do."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    ticket = request.GET.get("ticket", "")
    if not ticket:
        return redirect("upload", slug)
    try:
        bundle = uploads.bundle_of(ticket, project)
        return _look_page(request, project, bundle, ticket)
    except ApplicationError as error:
        return _page(request, project, "file", error=error)


@require_POST
@login_required
def upload_start(request: HttpRequest, slug: str) -> HttpResponse:
    """Import what was looked at, or try all of it: a job."""
    user = user_of(request)
    project = project_for(user, slug, Action.IMPORT)
    try:
        bundle = uploads.bundle_of(request.POST.get("ticket", ""), project)
        choices = _choices(request.POST)
    except InvalidInput as error:
        return _page(request, project, "file", error=error)
    job = uploads.import_bundle(project=project, bundle=bundle, choices=choices, created_by=user)
    text = _("The dry run has begun.") if choices.dry_run else _("The import has begun.")
    messages.success(request, text + " " + _("This page says how far it is."))
    return redirect("job", slug, job.pk)


@require_safe
@login_required
def upload_report(request: HttpRequest, slug: str, job_id: int) -> HttpResponse:
    """What an import did, or what a dry run says that it would do."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    job = _finished(project, job_id)
    arguments = job.arguments
    context = {
        "job": job,
        "report": job.result,
        "adapter": ADAPTERS.get(str((job.result or {}).get("adapter", ""))),
        "dry_run": bool(arguments.get("dry_run")),
        "ticket": uploads.ticket_of(uploads.Bundle.of_job(arguments), project),
        "choices": arguments,
        "options": json.dumps(arguments.get("options", {})),
        "outcomes": OUTCOMES,
        "most_changes": MOST_CHANGES,
        "most_errors": f":{MOST_ERRORS}",
    }
    return project_page(request, "upload/report.html", project, "instances", **context)


@require_safe
@login_required
def upload_errors(request: HttpRequest, slug: str, job_id: int) -> HttpResponse:
    """The refused lines of an import as a table that a spreadsheet opens safely."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    job = _finished(project, job_id)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="refused-{job.pk}.csv"'
    writer = csv.writer(response)
    writer.writerow(["line", "id", "reason"])
    for error in (job.result or {}).get("errors", []):
        cells = (error.get("line") or "", error.get("id", ""), error.get("reason", ""))
        writer.writerow([as_text(str(cell)) for cell in cells])
    return response


def _to_look(project: Project, bundle: uploads.Bundle, *, large: bool = False) -> HttpResponse:
    asked = {"ticket": uploads.ticket_of(bundle, project)} | ({"large": "1"} if large else {})
    return redirect(f"{reverse('upload-look', args=[project.slug])}?{urlencode(asked)}")


def _look_page(
    request: HttpRequest, project: Project, bundle: uploads.Bundle, ticket: str
) -> HttpResponse:
    asked = request.GET.dict()
    given = None if asked.get("large") else uploads.first_of(bundle)
    adapter = asked.get("adapter") or "auto"
    options: dict[str, Any] = mapping.labelled_by(asked)
    look = look_into(
        project=project,
        given=given,
        adapter="" if adapter == COLUMNS else adapter,
        options=options,
    )
    lines = mapping.mapped(look.columns, asked)
    if adapter == COLUMNS and mapping.is_said(asked):
        options = mapping.options_of(lines, asked)
        look = look_into(project=project, given=given, adapter=adapter, options=options)
    context = {
        "name": bundle.name,
        "ticket": ticket,
        "look": look,
        "guesses": _titled(look),
        "tried": ADAPTERS.get(look.adapter),
        "adapters": _adapters(look),
        "mapper": lines,
        "mapping_open": adapter == COLUMNS or not (look.adapter or look.large),
        "roles": mapping.ROLES,
        "asked": asked,
        "options": json.dumps(options),
        "criteria": criteria_of(project),
        "most_errors": f":{MOST_ERRORS}",
    }
    return project_page(request, "upload/look.html", project, "instances", **context)


def _titled(look: Look) -> list[dict[str, Any]]:
    """The guesses that are more than none, as people read them."""
    return [
        {"title": ADAPTERS[each.adapter].title, "why": each.why, "confidence": each.confidence}
        for each in look.guesses
        if each.confidence >= LEAST_SHOWN
    ]


def _adapters(look: Look) -> list[Adapter]:
    """All formats to choose from: the guesses first."""
    sure = {guess.adapter: guess.confidence for guess in look.guesses}
    return sorted(ADAPTERS.values(), key=lambda each: -sure.get(each.name, 0.0))


def _choices(given: Mapping[str, str]) -> uploads.Choices:
    """How to import, as the form of the preview says it.

    Raises:
        InvalidInput: there is no such adapter, or the options are none.
    """
    adapter = given.get("adapter") or "auto"
    if adapter != "auto" and adapter not in ADAPTERS:
        raise InvalidInput(_("There is no such format."))
    try:
        options = json.loads(given.get("options", "")[:MOST_OPTIONS] or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(_("The options cannot be read.")) from error
    if not isinstance(options, dict):
        raise InvalidInput(_("The options cannot be read."))
    return uploads.Choices(
        adapter=adapter,
        options=options,
        reveal=given.get("reveal") == "on",
        dry_run=given.get("act") == "try",
        create_criteria=given.get("create_criteria") == "on",
    )


def _finished(project: Project, job_id: int) -> Job:
    """An import of the project that has a report.

    Raises:
        NotFound: there is none of this number.
    """
    job = job_in(project, job_id)
    if job.kind != uploads.IMPORT_KIND or not job.result:
        raise NotFound(_("There is no report of this import."))
    return job


def _sorted_out(request: HttpRequest) -> tuple[UploadedFile[Any] | None, list[UploadedFile[Any]]]:
    """The file of instances, if one was chosen, and the media files."""
    files: Sequence[UploadedFile[Any]] = request.FILES.getlist("files")
    if is_too_large(int(request.headers.get("Content-Length") or 0)):
        most = settings.IMPORT_MAX_BYTES // 2**20
        raise InvalidInput(_("The upload is larger than %d MB: split it.") % most)
    if not files:
        raise InvalidInput(_("Choose a file first."))
    lines = [each for each in files if suffix_of(str(each.name))]
    if len(lines) > 1:
        raise InvalidInput(_("Choose one file of instances at a time."))
    return (lines[0] if lines else None), [each for each in files if each not in lines]


def _keep_media(request: HttpRequest, project: Project, files: Sequence[UploadedFile[Any]]) -> None:
    for each in files:
        keep_media(project=project, name=str(each.name), chunks=each.chunks())
    if files:
        text = ngettext("%d media file is kept.", "%d media files are kept.", len(files))
        messages.success(request, text % len(files))


def _page(
    request: HttpRequest,
    project: Project,
    place: str,
    error: ApplicationError | None = None,
    given: Mapping[str, str] | None = None,
) -> HttpResponse:
    place = place if place in PLACES else "file"
    folder = request.GET.get("folder", "") if error is None else ""
    context = {
        "error": error,
        "given": given or {},
        "place": place,
        "places": PLACES,
        "listing": below.listing(folder) if place == "path" else None,
        "endpoint": settings.HF_ENDPOINT,
        "protocol": protocol_of(project),
        "formats": ADAPTERS.values(),
        "suffixes": ", ".join(each for each in SUFFIXES if each.count(".") == 1),
        "allowed": ALLOWED,
        "most": settings.IMPORT_MAX_BYTES // 2**20,
        "most_media": settings.MEDIA_MAX_BYTES // 2**20,
        "fresh": project.instances.filter(state=InstanceState.NEW).count(),
        "media_count": project.media_files.count(),
        "imports": jobs_of(project).filter(kind=uploads.IMPORT_KIND)[:RECENT],
    }
    response = project_page(request, "upload/page.html", project, "instances", **context)
    response.status_code = error.status if error else 200
    return response
