"""Handing in instances and media: choose a file, see what it would do, import it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.instances import uploads
from annotation.instances.media import ALLOWED, keep_media
from annotation.instances.models import InstanceState
from annotation.instances.receiving import is_too_large
from annotation.projects.selectors import protocol_of
from core.exceptions import ApplicationError, InvalidInput
from frontend.pages import project_page, user_of
from jobs.selectors import jobs_of

RECENT = 5
MOST_ERRORS = 50


@require_safe
@login_required
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """The form, the format, and the latest imports."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    return _page(request, project)


@require_POST
@login_required
def upload_file(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what was chosen; a file of lines is shown before anything of it is imported."""
    project = project_for(user_of(request), slug, Action.IMPORT)
    try:
        lines, media = _sorted_out(request)
        _keep_media(request, project, media)
        if lines is None:
            return redirect("upload", slug)
        kept = uploads.keep_upload(name=str(lines.name), chunks=lines.chunks())
        preview = uploads.preview_upload(project=project, upload=kept)
    except ApplicationError as error:
        return _page(request, project, error=error)
    ticket = uploads.ticket_of(kept, project)
    return _page(request, project, preview=preview, ticket=ticket, name=kept.name)


@require_POST
@login_required
def upload_start(request: HttpRequest, slug: str) -> HttpResponse:
    """Import what was looked at: a job."""
    user = user_of(request)
    project = project_for(user, slug, Action.IMPORT)
    try:
        kept = uploads.upload_of(request.POST.get("ticket", ""), project)
    except InvalidInput as error:
        return _page(request, project, error=error)
    job = uploads.import_upload(
        project=project,
        upload=kept,
        reveal=request.POST.get("reveal") == "on",
        created_by=user,
    )
    messages.success(request, _("The import has begun; this page says how far it is."))
    return redirect("job", slug, job.pk)


def _sorted_out(request: HttpRequest) -> tuple[UploadedFile[Any] | None, list[UploadedFile[Any]]]:
    """The file of lines, if one was chosen, and the media files."""
    files: Sequence[UploadedFile[Any]] = request.FILES.getlist("files")
    if is_too_large(int(request.headers.get("Content-Length") or 0)):
        most = settings.IMPORT_MAX_BYTES // 2**20
        raise InvalidInput(_("The upload is larger than %d MB: split it.") % most)
    if not files:
        raise InvalidInput(_("Choose a file first."))
    lines = [each for each in files if str(each.name).lower().endswith(uploads.SUFFIXES)]
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
    error: ApplicationError | None = None,
    **context: Any,
) -> HttpResponse:
    shared = {
        "error": error,
        "protocol": protocol_of(project),
        "suffixes": ", ".join(uploads.SUFFIXES),
        "allowed": ALLOWED,
        "most": settings.IMPORT_MAX_BYTES // 2**20,
        "most_media": settings.MEDIA_MAX_BYTES // 2**20,
        "fresh": project.instances.filter(state=InstanceState.NEW).count(),
        "media_count": project.media_files.count(),
        "most_errors": f":{MOST_ERRORS}",
        "imports": jobs_of(project).filter(kind=uploads.IMPORT_KIND)[:RECENT],
    }
    response = project_page(
        request, "upload/page.html", project, "instances", **{**shared, **context}
    )
    response.status_code = error.status if error else 200
    return response
