"""People of a project: members, invitation links and studies; and the leaderboard."""

import uuid
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Membership, Project, Role
from accounts.policies import Action, may_grant_any, project_for
from accounts.selectors import invitation_in, invitations_of, member_in
from annotation.labels.people import annotator_for
from annotation.projects.selectors import protocol_of
from annotation.workforce import leaderboard as boards
from annotation.workforce import selectors, services, studies
from annotation.workforce.models import StudyState
from annotation.workforce.studies import NEXT, PROLIFIC
from core.exceptions import InvalidInput
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reading import micros, whole

FRESH = "fresh_link"


def _member(request: HttpRequest, slug: str, member_id: int) -> Membership:
    project = project_for(user_of(request), slug, Action.MANAGE_PEOPLE)
    return member_in(project, member_id)


def _role(request: HttpRequest) -> Role:
    try:
        return Role(request.POST.get("role", ""))
    except ValueError as error:
        raise InvalidInput(_("Choose a role.")) from error


def _show_link(request: HttpRequest, route: str, token: str, rest: str = "") -> None:
    """Keep a link for the next page, which shows it once."""
    query = urlencode({"k" if route == "study-entry" else "t": token})
    address = request.build_absolute_uri(reverse(route))
    request.session[FRESH] = f"{address}?{query}{rest}"


@never_cache
@require_safe
@login_required
def people(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.SEE_PEOPLE)
    search = request.GET.get("q", "").strip()[:80]
    page = page_of(selectors.members_of(project, search), request)
    return project_page(
        request,
        "workforce/people.html",
        project,
        "people",
        page=page,
        people=selectors.people(page.rows),
        search=search,
        invitations=invitations_of(project)[:20],
        roles=may_grant_any(user, project),
        cohorts=selectors.cohorts_of(project),
        fresh_link=request.session.pop(FRESH, ""),
        board=protocol_of(project).leaderboard,
    )


@require_safe
@login_required
def person(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.SEE_PEOPLE)
    row = member_in(project, member_id)
    (found,) = selectors.people([row])
    earned = selectors.earnings_of(found.annotator) if found.annotator else None
    return project_page(
        request,
        "workforce/person.html",
        project,
        "people",
        person=found,
        roles=may_grant_any(user, project),
        cohorts=selectors.cohorts_of(project),
        totals=selectors.balances(earned.order_by()) if earned is not None else [],
        # Sent with a bonus, so that the form sent twice is one line.
        bonus_key=uuid.uuid4(),
    )


@require_POST
@login_required
def person_role(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    row = _member(request, slug, member_id)
    services.set_role(membership=row, role=_role(request), actor=user_of(request))
    messages.success(request, _("The role is changed."))
    return redirect("person", slug, member_id)


@require_POST
@login_required
def person_work(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    """Cohort, qualifications (separated by commas or spaces) and quota."""
    row = _member(request, slug, member_id)
    quota = whole(request.POST, "quota", _("Quota"), default=0)
    services.set_work(
        membership=row,
        cohort=request.POST.get("cohort", ""),
        qualifications=request.POST.get("qualifications", "").replace(",", " ").split(),
        quota=quota or None,
        actor=user_of(request),
    )
    messages.success(request, _("Saved: it holds from the next instance on."))
    return redirect("person", slug, member_id)


@require_POST
@login_required
def person_release(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    row = _member(request, slug, member_id)
    opened = services.release_everything(membership=row, actor=user_of(request))
    said = ngettext("%(n)d instance is open again.", "%(n)d instances are open again.", opened)
    messages.success(request, said % {"n": opened})
    return redirect("person", slug, member_id)


@require_POST
@login_required
def person_remove(request: HttpRequest, slug: str, member_id: int) -> HttpResponse:
    row = _member(request, slug, member_id)
    if request.POST.get("sure") != "on":
        raise InvalidInput(_("Tick that you are sure, then remove them."))
    services.remove(membership=row, actor=user_of(request))
    messages.success(request, _("They are no member any more. Their labels stay."))
    return redirect("people", slug)


@require_POST
@login_required
def invitation_create(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    _row, token = services.invite(
        project=project,
        actor=user,
        role=_role(request),
        cohort=request.POST.get("cohort", ""),
        seats=whole(request.POST, "seats", _("Seats"), default=1),
        valid_for=timedelta(days=whole(request.POST, "days", _("Valid for"), default=7)),
    )
    _show_link(request, "join", token)
    return redirect("people", slug)


@require_POST
@login_required
def invitation_revoke(request: HttpRequest, slug: str, invitation_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    services.revoke(invitation=invitation_in(project, invitation_id), actor=user)
    messages.success(request, _("The link is closed. Those who came through it stay."))
    return redirect("people", slug)


@never_cache
@require_safe
@login_required
def study_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_PEOPLE)
    page = page_of(selectors.studies_of(project), request, size=20)
    return project_page(request, "workforce/studies.html", project, "people", page=page)


@require_POST
@login_required
def study_create(request: HttpRequest, slug: str) -> HttpResponse:
    user, form = user_of(request), request.POST
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    row, token = studies.create_study(
        project=project,
        actor=user,
        name=form.get("name", ""),
        intro=form.get("intro", ""),
        cohort=form.get("cohort", ""),
        labels=whole(form, "labels", _("Labels")),
        places=whole(form, "places", _("Places")),
        minutes=whole(form, "minutes", _("Minutes"), default=60),
        reward_micros=micros(form, "reward", _("Reward")),
        currency=form.get("currency", "").strip().upper(),
        completion_code=form.get("completion_code", "").strip(),
        screen_out_code=form.get("screen_out_code", "").strip(),
        external_id=form.get("external_id", "").strip(),
    )
    _show_link(request, "study-entry", token, PROLIFIC)
    return redirect("study", slug, row.pk)


@never_cache
@require_safe
@login_required
def study(request: HttpRequest, slug: str, study_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_PEOPLE)
    row = selectors.study_in(project, study_id)
    return project_page(
        request,
        "workforce/study.html",
        project,
        "people",
        study=row,
        page=page_of(selectors.participations_of(row), request),
        states=sorted(NEXT[StudyState(row.state)], reverse=True),
        fresh_link=request.session.pop(FRESH, ""),
    )


@require_POST
@login_required
def study_state(request: HttpRequest, slug: str, study_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    row = selectors.study_in(project, study_id)
    studies.set_state(study=row, state=request.POST.get("state", ""), actor=user)
    return redirect("study", slug, study_id)


@require_POST
@login_required
def study_link(request: HttpRequest, slug: str, study_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PEOPLE)
    row = selectors.study_in(project, study_id)
    _show_link(request, "study-entry", studies.new_link(study=row, actor=user), PROLIFIC)
    return redirect("study", slug, study_id)


@require_safe
@login_required
def leaderboard(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.LABEL)
    allowed = protocol_of(project).leaderboard
    shown, name = boards.wishes(user, project)
    return project_page(
        request,
        "workforce/leaderboard.html",
        project,
        "earnings",
        allowed=allowed,
        places=boards.board(project, user) if allowed else [],
        shown=shown,
        name=name,
        pseudonym=_pseudonym(request, project),
    )


def _pseudonym(request: HttpRequest, project: Project) -> str:
    return annotator_for(project=project, user=user_of(request)).pseudonym


@require_POST
@login_required
def leaderboard_choose(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.LABEL)
    boards.choose(
        user=user,
        project=project,
        shown=request.POST.get("shown") == "on",
        name=request.POST.get("name", ""),
    )
    return redirect("leaderboard", slug)
