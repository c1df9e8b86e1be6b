"""Settings of a project: how it collects labels, its questions, its guideline, its end."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.projects import services
from annotation.projects.models import Guideline
from annotation.projects.selectors import (
    answered_keys,
    criteria_of,
    guideline_of,
    guidelines_of,
    protocol_of,
)
from annotation.queue.steering import pause, resume
from core.exceptions import Conflict, InvalidInput, NotFound
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.wizard import difference, words
from frontend.wizard.fields import criteria_of as read_criteria
from frontend.wizard.fields import criterion_of, read_plan, row_of
from frontend.wizard.settings import read_section, sent, typed


def _managed(request: HttpRequest, slug: str) -> Project:
    return project_for(user_of(request), slug, Action.MANAGE_PROJECT)


@require_safe
@login_required
def project_settings(request: HttpRequest, slug: str) -> HttpResponse:
    return _page(request, _managed(request, slug))


def _page(
    request: HttpRequest,
    project: Project,
    section: str = "",
    values: dict[str, Any] | None = None,
    problem: str = "",
) -> HttpResponse:
    """The page; where a form was refused, with what was typed in it."""
    protocol, answered = protocol_of(project), answered_keys(project)
    rows = [
        {"row": row_of(vars(row)), "frozen": row.key in answered} for row in criteria_of(project)
    ]
    page = project_page(
        request,
        "settings/page.html",
        project,
        "project-settings",
        protocol=protocol,
        values=typed(protocol) | (values or {}),
        rows=rows,
        empty=row_of({}),
        frozen=bool(answered),
        section=section,
        problem=problem,
        guideline=guideline_of(project),
        **words.choices(),
    )
    page.status_code = 422 if problem else 200
    return page


@require_POST
@login_required
def settings_save(request: HttpRequest, slug: str) -> HttpResponse:
    """Change what one form of the page holds."""
    project, section = _managed(request, slug), request.POST.get("section", "")
    frozen = bool(answered_keys(project))
    try:
        fields = read_section(section, request.POST, protocol_of(project), frozen)
        services.change_protocol(project=project, by=user_of(request), **fields)
    except (InvalidInput, Conflict) as error:
        return _page(request, project, section, sent(request.POST, section), error.message)
    messages.success(request, _("Saved. Labels from now on keep these settings."))
    return redirect("project-settings", slug)


@require_POST
@login_required
def settings_criterion(request: HttpRequest, slug: str) -> HttpResponse:
    """Add, reword or remove one question."""
    project, user = _managed(request, slug), user_of(request)
    act, key = request.POST.get("act", ""), request.POST.get("key", "")
    try:
        if act == "remove":
            services.remove_criterion(project=project, key=key, by=user)
        elif act == "add":
            _add(request, project)
        else:
            _reword(request, project, key)
    except (InvalidInput, Conflict) as error:
        return _page(request, project, "criteria", None, error.message)
    messages.success(request, _("Saved. Labels from now on answer what is asked now."))
    return redirect("project-settings", slug)


def _add(request: HttpRequest, project: Project) -> None:
    rows = read_plan(request.POST).criteria
    taken = [row_of({"key": row.key}) for row in criteria_of(project)]
    found = read_criteria([*taken, *rows])
    if not found:
        raise InvalidInput(_("Give the criterion a name."))
    services.add_criterion(project=project, by=user_of(request), **found[-1])


def _reword(request: HttpRequest, project: Project, key: str) -> None:
    rows = read_plan(request.POST).criteria
    if not rows:
        raise InvalidInput(_("Give the criterion a name."))
    fields = criterion_of(rows[0])
    if key in answered_keys(project):
        # How it is answered stands still, and its fields are disabled.
        fields = {name: fields[name] for name in ("name", "question", "reasons")}
    services.change_criterion(project=project, key=key, by=user_of(request), **fields)


@require_POST
@login_required
def settings_state(request: HttpRequest, slug: str) -> HttpResponse:
    """Pause, resume, archive or bring back."""
    project, user = _managed(request, slug), user_of(request)
    act = request.POST.get("act", "")
    if act == "pause":
        pause(project=project, by=user)
        messages.info(request, _("Paused: nobody gets another instance."))
    elif act == "resume":
        resume(project=project, by=user)
        messages.success(request, _("Instances are handed out again."))
    elif act in {"archive", "restore"}:
        services.set_archived(project=project, archived=act == "archive", by=user)
    else:
        raise InvalidInput(_("Choose pause, resume, archive or restore."))
    return redirect("home") if act == "archive" else redirect("project-settings", slug)


@require_safe
@login_required
def guideline_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The editor, every version, and what a chosen one changed."""
    project = _managed(request, slug)
    versions = guidelines_of(project)
    chosen = request.GET.get("version", "")
    shown = versions.filter(version=int(chosen)).first() if _is_version(chosen) else None
    if chosen and shown is None:
        raise NotFound(_("There is no such version of the guideline."))
    return project_page(
        request,
        "settings/guideline.html",
        project,
        "project-settings",
        guideline=versions.first(),
        page=page_of(versions, request),
        shown=shown,
        **(_changes(shown) if shown else {}),
    )


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _changes(shown: Guideline) -> dict[str, Any]:
    before = Guideline.objects.filter(project=shown.project_id, version=shown.version - 1).first()
    return {
        "before": before,
        "pieces": difference.words(before.text if before else "", shown.text),
        "changes": difference.settings(before.settings if before else {}, shown.settings),
    }


@require_POST
@login_required
def guideline_publish(request: HttpRequest, slug: str) -> HttpResponse:
    project = _managed(request, slug)
    newest, made = services.revise_guideline(
        project=project, text=request.POST.get("text", ""), by=user_of(request)
    )
    if made:
        messages.success(request, _("Version %d is what annotators read now.") % newest.version)
    else:
        messages.info(request, _("Nothing has changed, so there is no new version."))
    return redirect("guideline-edit", slug)


@require_POST
@login_required
def guideline_preview(request: HttpRequest, slug: str) -> HttpResponse:
    _managed(request, slug)
    text = request.POST.get("text", "")[: services.LONGEST_GUIDELINE]
    return render(request, "settings/_rendered.html", {"text": text})
