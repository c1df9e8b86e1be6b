"""Trials of prompts: start, watch, read the disagreements, compare, promote."""

from collections.abc import Sequence

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, can, project_for
from annotation.judges.injection.services import start_measuring
from annotation.judges.mined import is_mined
from annotation.judges.models import JudgeRun
from annotation.judges.workbench.promoting import consequences_of, promote
from annotation.judges.workbench.results import disagreements, trial_result
from annotation.judges.workbench.trials import trial_in, trials_of, try_prompt
from frontend.pages import project_page, user_of
from frontend.workbench import rows
from frontend.workbench.comparison import comparison_of
from frontend.workbench.fields import number
from frontend.workbench.injection import injection_of
from frontend.workbench.wishes import budget_of, criterion_in, trial_of
from routing.budgets.selectors import payable

from .workbench import prompt_in, seen, used

PER_PAGE = 20
ENDED = ("finished", "stopped", "cancelled", "failed")


@require_POST
@login_required
def prompt_try(request: HttpRequest, slug: str, prompt_id: int) -> HttpResponse:
    """Ask a model with this prompt about instances that people have labelled."""
    project, user = used(request, slug), user_of(request)
    trial = trial_of(project, prompt_in(project, prompt_id), request.POST)
    run = try_prompt(trial=trial, by=user)
    return redirect("trial", slug, run.pk)


@require_safe
@login_required
def trial(request: HttpRequest, slug: str, trial_id: int) -> HttpResponse:
    """How a trial goes; htmx gets the live part, which stops asking when the run has ended."""
    project = seen(request, slug)
    run = trial_in(project, trial_id)
    result = trial_result(run)
    found = disagreements(result)
    context = {
        "run": run,
        "result": result,
        "confusion": rows.confusion_rows(result),
        "answers": list(rows.ANSWER_NAMES.values()),
        "disagreements": found,
        "ended": run.state in ENDED,
        "mined": is_mined(run.judge.prompt),
        "may_promote": can(user_of(request), Action.MANAGE_PROJECT, project),
    }
    if request.headers.get("HX-Request"):
        return render(request, "workbench/_trial.html", {**context, "project": project})
    context |= injection_of(run, result)
    others = trials_of(project).exclude(pk=run.pk).filter(judge__prompt__name=_name(run))
    return project_page(
        request,
        "workbench/trial.html",
        project,
        "prompts",
        others=others[:MOST_OTHERS],
        budgets=payable(project),
        **context,
    )


MOST_OTHERS = 8


def _name(run: JudgeRun) -> str:
    return run.judge.prompt.name if run.judge.prompt else ""


@require_safe
@login_required
def trial_disagreements(request: HttpRequest, slug: str, trial_id: int) -> HttpResponse:
    """People and the judge side by side where they differ, by what both say."""
    project = seen(request, slug)
    run = trial_in(project, trial_id)
    everything = disagreements(trial_result(run))
    kind = request.GET.get("kind", "")
    found = [row for row in everything if row.kind == kind] if kind else everything
    start = PER_PAGE * (max(1, number(request.GET.get("page", ""), 1)) - 1)
    return project_page(
        request,
        "workbench/disagreements.html",
        project,
        "prompts",
        run=run,
        rows=found[start : start + PER_PAGE],
        start=start,
        total=len(found),
        everything=len(everything),
        kind=kind,
        kinds=rows.kinds(everything),
        answers=rows.ANSWER_NAMES,
        next=_page(start, len(found), 1),
        previous=_page(start, len(found), -1),
    )


def _page(start: int, total: int, step: int) -> int | None:
    """The number of the page before or after; None where there is none."""
    place = start + step * PER_PAGE
    return place // PER_PAGE + 1 if 0 <= place < total else None


@require_safe
@login_required
def trials_compare(request: HttpRequest, slug: str) -> HttpResponse:
    """Two versions or more on the instances that all of them were asked about."""
    project = seen(request, slug)
    runs = _chosen(project, request.GET.getlist("run"))
    comparison = comparison_of(runs) if len(runs) > 1 else None
    return project_page(
        request, "workbench/compare.html", project, "prompts", comparison=comparison
    )


def _chosen(project: Project, typed: Sequence[str]) -> list[JudgeRun]:
    keys = {number(each, 0) for each in typed}
    return list(trials_of(project).filter(pk__in=keys).order_by("pk"))


@require_safe
@login_required
def trial_promotion(request: HttpRequest, slug: str, trial_id: int) -> HttpResponse:
    """What promoting would do, before it is done."""
    project = project_for(user_of(request), slug, Action.MANAGE_PROJECT)
    run = trial_in(project, trial_id)
    return project_page(
        request,
        "workbench/promote.html",
        project,
        "prompts",
        run=run,
        result=trial_result(run),
        consequences=consequences_of(run.judge),
    )


@require_POST
@login_required
def trial_promote(request: HttpRequest, slug: str, trial_id: int) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.MANAGE_PROJECT)
    judge = promote(judge=trial_in(project, trial_id).judge, by=user)
    messages.success(request, _("%s labels from now on.") % judge.name)
    return redirect("judge", slug, judge.pk)


@require_POST
@login_required
def trial_injection(request: HttpRequest, slug: str, trial_id: int) -> HttpResponse:
    """Measure how far this version can be talked round by what stands in a completion."""
    project, user = used(request, slug), user_of(request)
    run = trial_in(project, trial_id)
    start_measuring(
        judge=run.judge,
        criterion=criterion_in(project, run.criteria[0]),
        budget=budget_of(project, request.POST.get("budget", "")),
        by=user,
    )
    messages.info(request, _("It is being measured: reload this page in a moment."))
    return redirect("trial", slug, run.pk)
