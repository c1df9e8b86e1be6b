"""The prompt workbench: prompts with their versions, and writing the next one."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.judges.mined import is_mined
from annotation.judges.models import Mode, Prompt, Shape
from annotation.judges.prompting import create_prompt, new_version
from annotation.judges.workbench.forecasting import of_trial
from annotation.judges.workbench.people import labelled_count
from annotation.judges.workbench.trials import bases_of, trials_of
from annotation.projects.selectors import criteria_of
from core.exceptions import InvalidInput, NotFound
from frontend.pages import project_page, user_of
from frontend.workbench import rows
from frontend.workbench.fields import number, read_prompt, values_of
from frontend.workbench.preview import preview_of
from frontend.workbench.wishes import TRIED, criterion_in, told, trial_of
from routing.budgets.selectors import payable


def seen(request: HttpRequest, slug: str) -> Project:
    """The project, for whoever may look at its judges."""
    return project_for(user_of(request), slug, Action.SEE_QUALITY)


def used(request: HttpRequest, slug: str) -> Project:
    """The project, for whoever may write prompts and spend money on trying them."""
    return project_for(user_of(request), slug, Action.TRAIN)


def prompt_in(project: Project, prompt_id: int) -> Prompt:
    """One version of a prompt of the project.

    Raises:
        NotFound: there is no such version in this project.
    """
    found = Prompt.objects.filter(project=project, pk=prompt_id)
    prompt = found.select_related("parent", "created_by", "project").first()
    if prompt is None:
        raise NotFound(_("There is no such prompt in this project."))
    return prompt


@require_safe
@login_required
def prompts(request: HttpRequest, slug: str) -> HttpResponse:
    """Every prompt with its versions, what changed, and how the newest trial of each went."""
    project = seen(request, slug)
    return project_page(
        request,
        "workbench/page.html",
        project,
        "prompts",
        prompts=rows.prompts_of(project),
        running=rows.running_trials(project),
    )


@require_safe
@login_required
def prompt(request: HttpRequest, slug: str, prompt_id: int) -> HttpResponse:
    """One version: what it says, what it changed, its trials, and trying it.

    htmx gets what the trial in its form will cost.
    """
    project = seen(request, slug)
    chosen = prompt_in(project, prompt_id)
    forecast = {
        "forecast_url": request.path,
        "told": told(project, lambda: trial_of(project, chosen, request.GET), of_trial),
    }
    if request.headers.get("HX-Request"):
        return render(request, "workbench/_forecast.html", forecast)
    criterion = criterion_in(project, "")
    trials = trials_of(project).filter(judge__prompt=chosen)[: rows.MOST_TRIALS]
    return project_page(
        request,
        "workbench/prompt.html",
        project,
        "prompts",
        prompt=chosen,
        changes=rows.changes(chosen.parent, chosen),
        versions=Prompt.objects.filter(project=project, name=chosen.name).order_by("-version"),
        trials=trials,
        bases=bases_of(project),
        budgets=payable(project),
        criteria=criteria_of(project),
        labelled=labelled_count(criterion),
        count=TRIED,
        preview=preview_of(project, values_of(chosen), request.GET),
        mined=is_mined(chosen),
        **forecast,
    )


@require_safe
@login_required
def prompt_draft(request: HttpRequest, slug: str) -> HttpResponse:
    """A form for a new prompt, or for the version after `?from=`."""
    project = used(request, slug)
    before = _before(project, request.GET.get("from", ""))
    return _form(request, project, before, values_of(before))


def _before(project: Project, typed: str) -> Prompt | None:
    """The version that is being changed; a mined criterion is none."""
    before = prompt_in(project, number(typed, 0)) if typed else None
    if is_mined(before):
        raise NotFound(_("There is no such prompt in this project."))
    return before


def _form(
    request: HttpRequest,
    project: Project,
    before: Prompt | None,
    values: dict[str, Any],
    problem: str = "",
) -> HttpResponse:
    page = project_page(
        request,
        "workbench/draft.html",
        project,
        "prompts",
        before=before,
        values=values,
        problem=problem,
        shapes=Shape.choices,
        modes=Mode.choices,
        bases=bases_of(project),
        criteria=criteria_of(project),
        preview=preview_of(project, values, request.POST or request.GET),
    )
    page.status_code = 422 if problem else 200
    return page


@require_POST
@login_required
def prompt_save(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what was written as a new version; or show what it would send."""
    project, user = used(request, slug), user_of(request)
    before = _before(project, request.POST.get("from", ""))
    fields = read_prompt(request.POST)
    name = before.name if before else request.POST.get("name", "").strip()
    if request.POST.get("act") == "preview":
        return _form(request, project, before, {**fields, "name": name})
    try:
        made = (
            new_version(prompt=before, by=user, **fields)
            if before
            else create_prompt(project=project, name=name, by=user, **fields)
        )
    except InvalidInput as error:
        return _form(request, project, before, {**fields, "name": name}, error.message)
    messages.success(request, _("Kept as %s. Try it where people have labelled.") % made)
    return redirect("prompt", slug, made.pk)


@require_POST
@login_required
def prompt_preview(request: HttpRequest, slug: str) -> HttpResponse:
    """The exact messages of what is being written, for htmx."""
    project = used(request, slug)
    preview = preview_of(project, read_prompt(request.POST), request.POST)
    return render(request, "workbench/_preview.html", {"preview": preview, "project": project})
