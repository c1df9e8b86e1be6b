"""Labelling: the page, its form, and the parts that JavaScript asks for.

Every write works as a plain form; with htmx's request header it answers with a fragment.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.labels import services as labels
from annotation.labels.models import Annotator
from annotation.labels.selectors import label_view, own_slot, progress_of
from annotation.projects.selectors import criteria_of, guideline_of
from annotation.projects.terms import Terms, terms_of
from annotation.queue import services as queue
from annotation.queue.barriers import why_empty
from annotation.queue.models import Slot
from core.exceptions import InvalidInput
from frontend.labelling import (
    Shown,
    SlotForm,
    flag_kinds,
    key_rows,
    read_draft,
    read_key,
    read_order,
    read_submit,
    reason_of,
    shown_to,
    slot_form,
)
from frontend.pages import project_page, user_of
from frontend.qualifying import qualification_of


def _enter(request: HttpRequest, slug: str) -> tuple[Project, Annotator]:
    user = user_of(request)
    project = project_for(user, slug, Action.LABEL)
    return project, labels.annotator_for(project=project, user=user)


def _partial(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))


@require_safe
@login_required
def label(request: HttpRequest, slug: str) -> HttpResponse:
    """The next instance, leased; the same one again until it is submitted, skipped or expired."""
    project, annotator = _enter(request, slug)
    return _page(request, project, annotator)


def _page(
    request: HttpRequest, project: Project, annotator: Annotator, problem: str = ""
) -> HttpResponse:
    """The whole page; after a refused submit with what was sent, and the reason."""
    slot = queue.claim(project=project, annotator=annotator, resume=True)
    terms = terms_of(project)
    form = _form(request, slot, terms, problem) if slot else None
    # Of all criteria: the next slot comes into this page, and may ask others.
    keys = key_rows(terms.protocol, terms.criteria)
    context: dict[str, Any] = {"form": form, "keys": keys, "flag_kinds": flag_kinds()}
    context["progress"] = progress_of(annotator)
    if terms.protocol.qualify_count:
        context |= qualification_of(annotator)
    if form is None:
        context["why"] = reason_of(why_empty(project, annotator))
    response = project_page(request, "label/page.html", project, "label", **context)
    response.status_code = 422 if problem else 200
    return response


def _form(request: HttpRequest, slot: Slot, terms: Terms, problem: str) -> SlotForm:
    view = label_view(slot, terms)
    mine = problem and request.POST.get("slot") == str(slot.key)
    return slot_form(view, dict(request.POST.lists()) if mine else None, problem)


@require_POST
@login_required
def label_next(request: HttpRequest, slug: str) -> HttpResponse:
    """The instance after the one on the screen, leased and rendered ahead; 204 at the end."""
    project, annotator = _enter(request, slug)
    return _following(request, annotator, terms_of(project))


def _following(request: HttpRequest, annotator: Annotator, terms: Terms) -> HttpResponse:
    slot = queue.prefetch(project=terms.project, annotator=annotator, protocol=terms.protocol)
    return _slot(request, slot, terms) if slot else HttpResponse(status=204)


def _slot(request: HttpRequest, slot: Slot, terms: Terms) -> HttpResponse:
    view = label_view(slot, terms, with_guideline=False)
    context = {"form": slot_form(view), "project": terms.project}
    return render(request, "label/_slot.html", context)


@require_POST
@login_required
def label_submit(request: HttpRequest, slug: str) -> HttpResponse:
    project, annotator = _enter(request, slug)
    terms = terms_of(project)
    try:
        _submit(request.POST, annotator, terms)
    except InvalidInput as refusal:
        if _partial(request):
            raise
        return _page(request, project, annotator, problem=str(refusal))
    if _partial(request):
        return _following(request, annotator, terms)
    return redirect("label", slug)


def _submit(data: QueryDict, annotator: Annotator, terms: Terms) -> None:
    key, protocol, criteria = read_key(data.get("slot", "")), terms.protocol, terms.criteria
    order = data.get("order", "")
    if protocol.post_edit or protocol.best_worst:
        # What was sent can be read only beside what was shown.
        slot = own_slot(annotator, key)
        shown = shown_to(annotator, slot, protocol, criteria, order)
    else:
        shown = Shown(read_order(order), [], [])
    sent = read_submit(data, criteria, protocol, shown)
    labels.submit(
        slot_key=key,
        annotator=annotator,
        client_id=sent.client_id,
        answers=sent.answers,
        seconds=sent.seconds,
        order=shown.order,
        terms=terms,
    )


@require_POST
@login_required
def label_undo(request: HttpRequest, slug: str) -> HttpResponse:
    """Take the last submit back; the instance is in front again with what was answered."""
    project, annotator = _enter(request, slug)
    slot = labels.undo(annotator=annotator, project=project)
    if _partial(request):
        return _slot(request, slot, terms_of(project)) if slot else HttpResponse(status=204)
    if slot is None:
        messages.info(request, _("There is nothing from the last ten minutes to take back."))
    return redirect("label", slug)


@require_POST
@login_required
def label_skip(request: HttpRequest, slug: str) -> HttpResponse:
    project, annotator = _enter(request, slug)
    slot = own_slot(annotator, read_key(request.POST.get("slot", "")))
    kind, note = request.POST.get("kind", "pass"), request.POST.get("note", "")
    queue.skip(slot=slot, annotator=annotator, kind=kind, note=note)
    if _partial(request):
        return _following(request, annotator, terms_of(project))
    return redirect("label", slug)


@require_POST
@login_required
def label_draft(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what is entered so far, and the lease with it."""
    annotator = _enter(request, slug)[1]
    revision = request.POST.get("revision", "")
    if not (revision.isascii() and revision.isdigit() and len(revision) < 10):
        raise InvalidInput(_("A draft needs a revision: a whole number that counts up."))
    key = read_key(request.POST.get("slot", ""))
    payload = read_draft(request.POST)
    labels.save_draft(slot_key=key, annotator=annotator, payload=payload, revision=int(revision))
    queue.renew(slot=own_slot(annotator, key), annotator=annotator)
    return HttpResponse(status=204)


@require_safe
@login_required
def guideline(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.LABEL)
    context = {"guideline": guideline_of(project), "criteria": criteria_of(project)}
    return project_page(request, "guideline/page.html", project, "guideline", **context)
