"""Judges: the list with what each is worth and costs, and one judge."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, project_for
from annotation.judges import changing, selectors
from annotation.judges.reproducing import built_in_words, messages_of
from core.exceptions import InvalidInput
from frontend.judges.forms import prices
from frontend.judges.rows import heads, row_of, sorted_rows
from frontend.pages import project_page, user_of
from frontend.reads import has_simulated

from .judges_runs import ask_form

MOST_RUNS = 20


@require_safe
@login_required
def judge_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    key = request.GET.get("sort", "labels")
    down = request.GET.get("up") != "1"
    judges = list(selectors.listed_judges(project))
    generators = selectors.generators_of(project)
    rows = [row_of(standing, generators) for standing in selectors.standings(judges)]
    return project_page(
        request,
        "judges/page.html",
        project,
        "judges",
        rows=sorted_rows(rows, key, down=down),
        heads=heads(key, down=down),
        simulated=has_simulated(project),
    )


@require_safe
@login_required
def judge_detail(request: HttpRequest, slug: str, judge_id: int) -> HttpResponse:
    """One judge: what it is, its figures, its runs, and where it gave no verdict."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    judge = selectors.judge_in(project, judge_id)
    return project_page(
        request,
        "judges/detail.html",
        project,
        "judges",
        row=row_of(selectors.standings([judge])[0], selectors.generators_of(project)),
        wording=built_in_words(judge),
        lineage=selectors.lineage(judge),
        runs=selectors.runs_of(judge)[:MOST_RUNS],
        **ask_form(judge, QueryDict()),
        troubles=selectors.troubles(selectors.calls_of(judge)),
    )


@require_safe
@login_required
def call_detail(request: HttpRequest, slug: str, call_id: int) -> HttpResponse:
    """One call as it was made: what was sent, what came back."""
    project = project_for(user_of(request), slug, Action.SEE_INSTANCES)
    call = selectors.call_in(project, call_id)
    context = {"call": call, "sent": messages_of(call)}
    return project_page(request, "judges/call.html", project, "judges", **context)


@require_POST
@login_required
def judge_prices(request: HttpRequest, slug: str, judge_id: int) -> HttpResponse:
    """What its calls cost from now on."""
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    judge = selectors.judge_in(project, judge_id)
    given = prices(request.POST)
    if not given.pop("price_known"):
        raise InvalidInput(_("Enter one price at least; 0 is a price."))
    changing.set_prices(judge=judge, actor=user, **given)
    messages.success(request, _("Saved. What was paid before stays as it was."))
    return redirect("judge", slug, judge.pk)


@require_POST
@login_required
def judge_stage(request: HttpRequest, slug: str, judge_id: int) -> HttpResponse:
    """Retire a judge, or bring it back."""
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    judge = selectors.judge_in(project, judge_id)
    if request.POST.get("act") == "retire":
        changing.retire(judge=judge, actor=user)
        messages.success(request, _("It is asked no more. Its labels stay."))
    else:
        changing.bring_back(judge=judge, actor=user)
        messages.success(request, _("It can be asked again."))
    return redirect("judge", slug, judge.pk)
