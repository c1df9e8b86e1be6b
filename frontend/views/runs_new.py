"""A new run: the form with its expert drawer, the estimate beside it, and the start."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.datasets.models import Snapshot
from annotation.datasets.selectors import snapshots_of
from core.exceptions import ApplicationError
from frontend.naming import named
from frontend.pages import project_page, user_of
from frontend.reads import snapshot_in
from frontend.run_fields import BANDS, DRAWER, EPOCHS, HEAD_KIND, HEAD_NAMES, NAMES, Field
from frontend.run_form import PREFIX, Entered, blank, entered, kind_of, like
from training.objectives.presets import catalogue
from training.registry.selectors import versions_of
from training.runs import data, memory, selectors, services
from training.runs.config import fit_config
from training.runs.expected import expected_steps
from training.runs.folders import models_at_hand
from training.runs.models import RunKind

MOST_CHOICES = 50


@dataclass(frozen=True)
class Estimate:
    """What a run would train on, need and take."""

    rows: data.Preview
    memory: memory.Preview
    steps: int


@require_safe
@login_required
def run_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The form: blank for a kind, or with the settings of the run that `like` names."""
    project = project_for(user_of(request), slug, Action.TRAIN)
    again = request.GET.get("like", "")
    if again.isascii() and again.isdigit() and len(again) < 19:
        return _page(request, project, like(selectors.run_in(project, int(again)), project))
    found = blank(kind_of(request.GET.get("kind", "")))
    found.values["snapshot"] = request.GET.get("snapshot", "")
    return _page(request, project, found)


@require_POST
@login_required
def run_estimate(request: HttpRequest, slug: str) -> HttpResponse:
    """The estimate for what was entered; with htmx it alone, or the parts of another preset."""
    project = project_for(user_of(request), slug, Action.TRAIN)
    found = entered(request.POST)
    if request.headers.get("HX-Target") == "objective":
        context = {"project": project, **_objective(found)}
        return render(request, "runs/_objective.html", context)
    context = {"project": project, "estimate": _estimate(project, found), "form": found}
    if request.headers.get("HX-Request"):
        return render(request, "runs/_estimate.html", context)
    return _page(request, project, found, estimate=context["estimate"])


@require_POST
@login_required
def run_start(request: HttpRequest, slug: str) -> HttpResponse:
    user = user_of(request)
    project = project_for(user, slug, Action.TRAIN)
    found = entered(request.POST)
    try:
        if not found.errors:
            run = services.start_run(
                project=project,
                kind=found.kind,
                snapshot=_snapshot(project, found),
                options=found.options,
                created_by=user,
                name=found.values["name"],
            )
            return redirect("run", slug, run.pk)
    except ApplicationError as error:
        found.note(error.message)
    response = _page(request, project, found)
    response.status_code = 422
    return response


def _snapshot(project: Project, found: Entered) -> Snapshot:
    raw = found.values.get("snapshot", "")
    return snapshot_in(
        project, int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 19 else 0
    )


def _estimate(project: Project, found: Entered) -> Estimate | None:
    """None where something entered makes no run; `found.errors` then says what."""
    if found.errors:
        return None
    try:
        snapshot = _snapshot(project, found)
        config = fit_config(found.kind, snapshot, found.options)
        rows = data.preview(snapshot, found.options)
        return Estimate(rows, memory.preview_of(config), expected_steps(config, rows.rows))
    except ApplicationError as error:
        found.note(error.message)
    return None


def _page(
    request: HttpRequest, project: Project, found: Entered, estimate: Estimate | None = None
) -> HttpResponse:
    return project_page(
        request,
        "runs/new.html",
        project,
        "runs",
        form=found,
        kinds=RunKind.choices,
        snapshots=snapshots_of(project)[:MOST_CHOICES],
        **_starts(project, found.kind),
        estimate=estimate,
        general=found.errors.get(""),
        wrong=len(found.errors),
        epochs=_shown(EPOCHS, found),
        head=_shown(HEAD_KIND, found) if found.kind == RunKind.REWARD else None,
        drawer=_drawer(found),
        **_objective(found),
    )


def _starts(project: Project, kind: str) -> dict[str, list[tuple[str, str]]]:
    """Where a run can start from, as values of the form with their words."""
    versions = versions_of(project).filter(kind=kind)[:MOST_CHOICES]
    return {
        "starts": [
            ("scratch", _("a small model from random weights")),
            ("production", _("the version in production")),
            ("last", _("the newest version")),
        ],
        "versions": [
            (f"version:{each.pk}", f"v{each.version} · {named(each.stage)} · {each.base_model}")
            for each in versions
        ],
        "folders": [(f"path:{name}", name) for name in models_at_hand()],
    }


def _objective(found: Entered) -> dict[str, Any]:
    """What depends on the chosen preset."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for preset in catalogue("reward" if found.kind == RunKind.REWARD else "policy"):
        groups.setdefault(preset["group"], []).append(preset)
    options = []
    for option in found.preset["options"]:
        name = PREFIX + option["name"]
        value = found.values.get(name)
        options.append(
            {
                "option": option,
                "name": name,
                "value": value or "",
                "checked": option["default"] is True if value is None else value == "on",
                "error": found.errors.get(name, ""),
            }
        )
    return {
        "presets": groups,
        "preset": found.preset,
        "options": options,
        "options_wrong": any(each["error"] for each in options),
        "preset_error": found.errors.get("preset", ""),
    }


def _drawer(found: Entered) -> list[dict[str, Any]]:
    """The groups of the drawer with what was entered; those with an error stand open."""
    groups = []
    for group in DRAWER:
        shown = [_shown(each, found) for each in group.fields if each.only in ("", found.kind)]
        if group.title == DRAWER[5].title:
            shown += [_shown(each, found) for each in BANDS]
        if shown:
            groups.append({"title": group.title, "fields": shown})
    return groups


def _shown(each: Field, found: Entered) -> dict[str, Any]:
    names = HEAD_NAMES if each is HEAD_KIND else NAMES
    low = each.name.endswith(".low")
    bound = each.name.rpartition(".")[2] if low or each.name.endswith(".high") else ""
    return {
        "field": each,
        "id": each.name.replace(".", "-"),
        "value": found.values.get(each.name, ""),
        "error": found.errors.get(each.name, ""),
        "bound": bound,
        "choices": [(value, names.get(value, value)) for value in each.choices],
    }
