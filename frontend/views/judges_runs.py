"""Asking a judge: what it will take, the run while it goes, and stopping it."""

from collections.abc import Collection
from itertools import chain, count
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import Project, User
from accounts.policies import Action, can, project_for
from annotation.judges import selectors
from annotation.judges.models import Judge, JudgeCall, JudgeRun, RunState
from annotation.judges.runs import NewBudget, ask, costs, run_progress
from annotation.ledger.selectors import state
from annotation.projects.selectors import criteria_of
from core.exceptions import ApplicationError, Conflict
from frontend.judges.asking import SELECTIONS, Wish, forecast_of, wish_of
from frontend.pages import project_page, user_of
from frontend.reads import is_stuck
from jobs.models import ACTIVE
from jobs.services import cancel
from routing.budgets.selectors import payable

GOING = (RunState.WAITING, RunState.RUNNING)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def judge_ask(request: HttpRequest, slug: str, judge_id: int) -> HttpResponse:
    """GET: what it will take, htmx gets that alone. POST: start."""
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    judge = selectors.judge_in(project, judge_id)
    try:
        if request.method != "POST":
            return _forecast(request, judge) if request.GET else _form(request, judge)
        wish = wish_of(judge, criteria_of(project), request.POST)
        run = _start(user, judge, wish)
    except Conflict as error:
        going = selectors.runs_of(judge).filter(job__state__in=ACTIVE).first()
        if going is None:
            return _refused(request, judge, error)
        messages.info(request, _("It is being asked already: this is that run."))
        return redirect("judge-run", slug, going.pk)
    except ApplicationError as error:
        return _refused(request, judge, error)
    return redirect("judge-run", slug, run.pk)


def _start(user: User, judge: Judge, wish: Wish) -> JudgeRun:
    new = NewBudget(wish.name, wish.limit_micros) if wish.limit_micros else None
    return ask(
        judge=judge,
        by=user,
        budget=wish.budget,
        new_budget=new,
        criteria=[criterion.key for criterion in wish.criteria],
        selection=wish.selection,
        trial=wish.trial,
        retry_unknown=wish.retry_unknown,
        batch=wish.batch,
    )


def ask_form(judge: Judge, sent: Any) -> dict[str, Any]:
    """What the form that asks a judge offers, filled with what was sent."""
    criteria = criteria_of(judge.project)
    budgets = list(payable(judge.project))
    chosen = sent.getlist("criterion") or [each.key for each in criteria]
    return {
        "judge": judge,
        "criteria": criteria,
        "chosen": chosen,
        "selections": SELECTIONS.items(),
        "budgets": budgets,
        "free_name": _free_name(judge, {each.name for each in budgets}),
        "costs": costs(judge),
        "sent": sent,
    }


def _free_name(judge: Judge, taken: Collection[str]) -> str:
    """What a new budget is called until somebody types another name: the judge's, numbered."""
    numbered = (f"{judge.name} {number}" for number in count(2))
    return next(name for name in chain([judge.name], numbered) if name not in taken)


def _form(request: HttpRequest, judge: Judge) -> HttpResponse:
    """Nothing is wished for yet."""
    context = ask_form(judge, request.GET)
    return project_page(request, "judges/ask.html", judge.project, "judges", **context)


def _forecast(request: HttpRequest, judge: Judge) -> HttpResponse:
    wish = wish_of(judge, criteria_of(judge.project), request.GET)
    found = {"judge": judge, "wish": wish, "forecast": forecast_of(judge, wish, request.GET)}
    if request.headers.get("HX-Request"):
        return render(request, "judges/_forecast.html", {**found, "project": judge.project})
    context = {**ask_form(judge, request.GET), **found}
    return project_page(request, "judges/ask.html", judge.project, "judges", **context)


def _refused(request: HttpRequest, judge: Judge, error: ApplicationError) -> HttpResponse:
    sent = request.POST if request.method == "POST" else request.GET
    if request.headers.get("HX-Request"):
        return render(request, "judges/_refused.html", {"error": error})
    context = {**ask_form(judge, sent), "error": error}
    response = project_page(request, "judges/ask.html", judge.project, "judges", **context)
    response.status_code = error.status
    return response


@require_safe
@login_required
def judge_run(request: HttpRequest, slug: str, judge_run_id: int) -> HttpResponse:
    """One run; htmx gets the live part, which stops asking when the run has ended."""
    user = user_of(request)
    project = project_for(user, slug, Action.SEE_QUALITY)
    run = selectors.run_in(project, judge_run_id)
    context = _live(project, run) | {"may_cancel": can(user, Action.TRAIN, project)}
    if request.headers.get("HX-Request"):
        return render(request, "judges/_run.html", {**context, "project": project})
    return project_page(request, "judges/run.html", project, "judges", **context)


def _live(project: Project, run: JudgeRun) -> dict[str, Any]:
    progress = run_progress(run)
    return {
        "run": run,
        "judge": run.judge,
        "progress": progress,
        "ended": progress.state not in GOING,
        "stuck": is_stuck(run.job),
        "money": state(run.budget) if run.budget else None,
        "troubles": selectors.troubles(JudgeCall.objects.filter(run=run)),
    }


@require_POST
@login_required
def judge_run_cancel(request: HttpRequest, slug: str, judge_run_id: int) -> HttpResponse:
    """Stop asking; what was paid for stays."""
    project = project_for(user_of(request), slug, Action.TRAIN)
    run = selectors.run_in(project, judge_run_id)
    if run.job is None or run.job.ended:
        messages.info(request, _("It has ended already."))
    else:
        cancel(job=run.job)
        messages.success(
            request, _("It stops once the calls under way are in. What was paid for is kept.")
        )
    return redirect("judge-run", slug, run.pk)
