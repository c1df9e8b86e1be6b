"""Criteria: found by a judge or written by hand, measured, accepted; and how they drift."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, can, project_for
from annotation.judges.mined import MINED
from annotation.judges.models import Prompt, Stage
from annotation.judges.workbench import accepting
from annotation.judges.workbench.candidates import measured
from annotation.judges.workbench.drifting import agreement_by_guideline
from annotation.judges.workbench.forecasting import of_mining
from annotation.judges.workbench.mining import mine, mining_in, minings_of
from annotation.judges.workbench.trials import bases_of
from annotation.projects.selectors import criteria_of
from frontend.pages import project_page, user_of
from frontend.workbench.fields import number
from frontend.workbench.wishes import CANDIDATES, PAIRS, order_of, told
from routing.budgets.selectors import payable

from .workbench import prompt_in, seen, used

SHOWN = 20


@require_safe
@login_required
def mining(request: HttpRequest, slug: str) -> HttpResponse:
    """Every search for criteria, the form for another, and agreement by guideline.

    htmx gets what the search in its form will cost.
    """
    project = seen(request, slug)
    forecast = {
        "forecast_url": request.path,
        "told": told(project, lambda: order_of(project, request.GET), of_mining),
    }
    if request.headers.get("HX-Request"):
        return render(request, "workbench/_forecast.html", forecast)
    return project_page(
        request,
        "workbench/criteria.html",
        project,
        "mining",
        minings=minings_of(project)[:SHOWN],
        bases=bases_of(project).filter(stage=Stage.ACTIVE),
        budgets=payable(project),
        criteria=criteria_of(project),
        drift=agreement_by_guideline(project),
        pairs=PAIRS,
        most=CANDIDATES,
        **forecast,
    )


@require_POST
@login_required
def mining_start(request: HttpRequest, slug: str) -> HttpResponse:
    project, user = used(request, slug), user_of(request)
    order = order_of(project, request.POST)
    return redirect("mining-result", slug, mine(order=order, by=user).pk)


@require_safe
@login_required
def mining_result(request: HttpRequest, slug: str, mining_id: int) -> HttpResponse:
    """The candidates with what each predicts; htmx gets the live part until all have ended."""
    project = seen(request, slug)
    found = mining_in(project, mining_id)
    prompts = Prompt.objects.filter(project=project).exclude(name__startswith=MINED)
    failed = found.job is not None and found.job.ended and not found.candidates
    result = measured(found)
    context = {
        "mining": found,
        "measured": result,
        "failed": failed,
        "live": not failed and not result.ended,
        "prompts": prompts.order_by("name", "-version").distinct("name"),
        "may_ask": can(user_of(request), Action.MANAGE_PROJECT, project),
    }
    if request.headers.get("HX-Request"):
        return render(request, "workbench/_mining.html", {**context, "project": project})
    return project_page(request, "workbench/mining.html", project, "mining", **context)


@require_POST
@login_required
def mining_accept(request: HttpRequest, slug: str, mining_id: int) -> HttpResponse:
    """Make the marked candidates lines of a rubric, or one of them a question to everybody."""
    user = user_of(request)
    asked = request.POST.get("act") == "criterion"
    project = project_for(user, slug, Action.MANAGE_PROJECT) if asked else used(request, slug)
    found = mining_in(project, mining_id)
    numbers = [number(each, 0) for each in request.POST.getlist("candidate")]
    texts = accepting.texts_of(found, numbers)
    if asked:
        made = accepting.as_criterion(
            mining=found, texts=texts, name=request.POST.get("name", ""), by=user
        )
        messages.success(request, _("%s is asked from now on.") % made.name)
        return redirect("project-settings", slug)
    before = request.POST.get("prompt", "")
    prompt = accepting.as_rubric(
        mining=found,
        texts=texts,
        before=prompt_in(project, number(before, 0)) if before else None,
        name=request.POST.get("name", ""),
        by=user,
    )
    messages.success(request, _("Kept as %s. Try it where people have labelled.") % prompt)
    return redirect("prompt", slug, prompt.pk)
