"""What a person has labelled, and changing it."""

import uuid
from dataclasses import replace

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.labels.models import Annotator
from annotation.labels.people import annotator_for
from annotation.labels.revising import check_revisable, revise
from annotation.labels.selectors import history_of, label_view, own_slot, progress_of
from annotation.labels.services import as_payload, standing
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.quality.reviewing import remarks_for
from annotation.queue.models import Slot
from core.exceptions import InvalidInput
from frontend.labelling import SlotForm, key_rows, read_submit, shown_to, slot_form
from frontend.pages import project_page, user_of
from frontend.paging import page_of


def _enter(request: HttpRequest, slug: str) -> tuple[Project, Annotator]:
    user = user_of(request)
    project = project_for(user, slug, Action.LABEL)
    return project, annotator_for(project=project, user=user)


@require_safe
@login_required
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """What this person has labelled here, and nothing of anybody else."""
    project, annotator = _enter(request, slug)
    page = page_of(history_of(annotator), request)
    notes = remarks_for(annotator)[:10]
    context = {"page": page, "progress": progress_of(annotator), "remarks": notes}
    return project_page(request, "history/page.html", project, "history", **context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def label_revise(request: HttpRequest, slug: str, key: uuid.UUID) -> HttpResponse:
    """An instance labelled before with what was answered; what is sent takes its place."""
    project, annotator = _enter(request, slug)
    slot = own_slot(annotator, key)
    if request.method != "POST":
        check_revisable(slot, annotator)
        return _page(request, project, _filled(slot, annotator))
    try:
        _revise(request, project, annotator, slot)
    except InvalidInput as refusal:
        if request.headers.get("HX-Request"):
            raise
        form = slot_form(label_view(slot), dict(request.POST.lists()), str(refusal))
        return _page(request, project, form, status=422)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    messages.success(request, _("Your label is changed."))
    return redirect("history", slug)


def _filled(slot: Slot, annotator: Annotator) -> SlotForm:
    given = {"answers": [as_payload(row) for row in standing(slot, annotator)]}
    return slot_form(replace(label_view(slot), draft=given, draft_revision=0))


def _revise(request: HttpRequest, project: Project, annotator: Annotator, slot: Slot) -> None:
    protocol, criteria = protocol_of(project), criteria_of(project)
    shown = shown_to(annotator, slot, protocol, criteria, request.POST.get("order", ""))
    sent = read_submit(request.POST, criteria, protocol, shown)
    revise(
        slot_key=slot.key,
        annotator=annotator,
        client_id=sent.client_id,
        answers=sent.answers,
        seconds=sent.seconds,
    )


def _page(
    request: HttpRequest, project: Project, form: SlotForm, *, status: int = 200
) -> HttpResponse:
    keys = key_rows(form.view.protocol, form.view.criteria)
    context = {"form": form, "keys": keys, "revising": True}
    response = project_page(request, "label/revise.html", project, "history", **context)
    response.status_code = status
    return response
