"""The way of a person of a crowd through a study: entry, consent, finish, stop.

The link's token and ids go from the query into the session at once, as in `join`.
"""

from django.contrib.auth import login as log_in
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.throttling import attempt
from annotation.workforce import entry
from annotation.workforce.models import Participation, Stage, Study
from annotation.workforce.selectors import participation_of
from core.addresses import address_of
from core.exceptions import Conflict, NotFound
from frontend.pages import user_of

from .join import WINDOW, without_referrer

MOST_ENTRIES, MOST_CODES = 60, 10


@never_cache
@require_safe
def study_entry(request: HttpRequest) -> HttpResponse:
    """Where the crowd's link leads: remember who comes, and go where the address is clean."""
    attempt(what="study", who=address_of(request), most=MOST_ENTRIES, within=WINDOW)
    visitor = entry.read_visitor(request.GET.dict())
    study = entry.study_by(request.GET.get("k", "")[:100], visitor)
    request.session["visit"] = {
        "study": study.pk,
        "ids": [visitor.external_id, visitor.study_id, visitor.session_id],
    }
    return without_referrer(redirect("study-welcome"))


def _visit(request: HttpRequest) -> tuple[Study, entry.Visitor, Participation | None]:
    """Whom the session remembers, and their participation if they have one."""
    visit = request.session.get("visit")
    if not visit:
        raise NotFound(_("Open the study from its page at the crowd."))
    study = Study.objects.select_related("project").filter(pk=visit["study"]).first()
    if study is None:
        raise NotFound(_("There is no such study. Open the study from its page again."))
    visitor = entry.Visitor(*visit["ids"])
    return study, visitor, entry.known(study, visitor)


def _check_browser(request: HttpRequest, study: Study, mine: Participation | None) -> None:
    """One browser is one person: an ordinary account stays what it is, an id is not changed."""
    if not request.user.is_authenticated:
        return
    here = Participation.objects.filter(user=user_of(request)).first()
    if here is None:
        raise Conflict(_("You are logged in with an account of your own: log out first."))
    if here.study_id == study.pk and (mine is None or here.pk != mine.pk):
        raise Conflict(_("This browser takes part in this study under another id already."))


@never_cache
@require_safe
def study_welcome(request: HttpRequest) -> HttpResponse:
    """What the study is, and the one way in that fits who comes."""
    study, _visitor, mine = _visit(request)
    _check_browser(request, study, mine)
    if mine is None:
        entry.check_open(study)
    at_home = mine is not None and mine.user_id == request.user.pk
    context = {"study": study, "known": mine is not None, "at_home": at_home}
    return render(request, "join/welcome.html", context)


@never_cache
@require_POST
def study_enter(request: HttpRequest) -> HttpResponse:
    """Agree and come in, come back with the code, or do not agree."""
    study, visitor, mine = _visit(request)
    _check_browser(request, study, mine)
    if request.POST.get("agree") == "no" and mine is None:
        request.session.pop("visit", None)
        return render(request, "join/declined.html", {"study": study})
    if mine is not None and mine.user_id == request.user.pk:
        mine = entry.go_on(participation=mine)
        if mine.stage == Stage.ACTIVE:
            return redirect("label", study.project.slug)
        return redirect("study-finish")
    if mine is not None:
        return _come_back(request, mine)
    if request.POST.get("agree") != "yes":
        raise Conflict(_("Say whether you agree to take part."))
    return _inside(request, *entry.enter(study=study, visitor=visitor))


def _come_back(request: HttpRequest, mine: Participation) -> HttpResponse:
    for who in (address_of(request), f"participation {mine.pk}"):
        attempt(what="return code", who=who, most=MOST_CODES, within=WINDOW)
    code = request.POST.get("code", "")[:40]
    return _inside(request, *entry.come_back(participation=mine, code=code))


def _inside(request: HttpRequest, participation: Participation, code: str) -> HttpResponse:
    log_in(request, participation.user)
    request.session["participation"] = participation.pk
    request.session["return_code"] = code
    return redirect("study-ready")


@never_cache
@require_safe
@login_required
def study_ready(request: HttpRequest) -> HttpResponse:
    """The return code, once, and the door to the first instance."""
    mine = participation_of(user_of(request))
    context = {"study": mine.study, "code": request.session.pop("return_code", "")}
    return render(request, "join/ready.html", context)


@never_cache
@require_safe
@login_required
def study_finish(request: HttpRequest) -> HttpResponse:
    """How far one is; the completion code only of a participation that has completed."""
    mine = participation_of(user_of(request))
    done = entry.labels_of(mine)
    context = {
        "mine": mine,
        "study": mine.study,
        "done": done,
        "missing": max(0, mine.study.labels - done),
        "code": mine.study.completion_code if mine.stage == Stage.COMPLETED else "",
    }
    return render(request, "join/finish.html", context)


@require_POST
@login_required
def study_complete(request: HttpRequest) -> HttpResponse:
    """Have the labels counted and end the participation."""
    entry.complete(participation=participation_of(user_of(request)))
    return redirect("study-finish")


@require_POST
@login_required
def study_stop(request: HttpRequest) -> HttpResponse:
    """Return the study: what one holds is free at once, what one gave stays."""
    entry.stop(participation=participation_of(user_of(request)))
    return redirect("study-finish")
