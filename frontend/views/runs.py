"""Training runs: the list, one with its live curves, stopping and resuming."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.policies import Action, can, project_for
from frontend.charts import Chart, Line, line_chart, smooth
from frontend.naming import named
from frontend.pages import project_page, user_of
from frontend.paging import page_of
from frontend.reads import is_stuck
from frontend.templatetags.tandem import figure, percent, span
from jobs.selectors import log_of
from training.runs import selectors, services
from training.runs.models import Run

KINDS = {"train": "ours", "eval": "judge"}
# Steps of the running mean in a chart.
WINDOW = 9


@require_safe
@login_required
def run_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    page = page_of(selectors.runs_of(project), request)
    return project_page(request, "runs/page.html", project, "runs", page=page)


@require_safe
@login_required
def run_detail(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    """One run; htmx gets the live part, which stops asking when the job has ended."""
    user = user_of(request)
    project = project_for(user, slug, Action.SEE_TRAINING)
    run = selectors.run_in(project, run_id)
    context = {
        "run": run,
        "job": run.job,
        "log": log_of(run.job, limit=30) if run.job else [],
        "stuck": is_stuck(run.job),
        "charts": _charts(run),
        "figures": _figures(run),
        "may_train": can(user, Action.TRAIN, project),
        "simulated": run.snapshot.manifest.get("simulated_share", 0),
    }
    if request.headers.get("HX-Request"):
        return render(request, "runs/_run.html", {**context, "project": project})
    settings = selectors.flat(selectors.settings_of(run))
    return project_page(request, "runs/detail.html", project, "runs", **context, settings=settings)


def _charts(run: Run) -> list[Chart]:
    """Loss and accuracy by step, as far as they are known; the warm-up has a loss of its own."""
    splits = selectors.curve(run)
    steps = {split: splits[split] for split in KINDS if split in splits}
    charts = [
        line_chart(_lines(steps, figure), x=named("step"), y=named(figure), label=label)
        for figure, label in (
            ("loss", _("Loss by step")),
            ("accuracy", _("Accuracy by step")),
        )
    ]
    warmup = _lines({"warmup": splits.get("warmup", {})}, "loss")
    charts.append(
        line_chart(
            warmup, x=named("step"), y=named("loss"), label=_("Warm-up: language-model loss")
        )
    )
    return [chart for chart in charts if chart]


def _lines(splits: dict[str, dict[str, selectors.Series]], figure: str) -> list[Line]:
    """A line per split; where steps are many, their running mean in front of them."""
    lines = []
    for split, values in splits.items():
        points, kind = values.get(figure, []), KINDS.get(split, "other")
        many = len(points) >= 2 * WINDOW
        if many:
            mean = _("%(split)s, mean of %(n)s steps") % {"split": named(split), "n": WINDOW}
            lines.append(Line(mean, smooth(points, WINDOW), kind))
        lines.append(Line(named(split), points, kind, faint=many))
    return lines


def _figures(run: Run) -> list[tuple[str, str]]:
    """The held-out figures of the report, those with an interval in front and with it."""
    held_out = dict(run.report.get("eval", {}))
    with_interval = [
        (name, _interval(percent(held_out.pop(name), 1), span(held_out.pop(bounds))))
        for name in ("accuracy", "longer_baseline")
        if held_out.get(bounds := f"{name}_interval")
    ]
    rest = [(name, figure(held_out[name])) for name in sorted(held_out)]
    return [(name.replace("_", " "), text) for name, text in [*with_interval, *rest]]


def _interval(value: str, bounds: str) -> str:
    words = {"value": value, "share": "95 %", "bounds": bounds}
    return _("%(value)s, %(share)s interval %(bounds)s") % words


@require_POST
@login_required
def run_cancel(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.TRAIN)
    run = services.cancel_run(run=selectors.run_in(project, run_id), actor=user_of(request))
    messages.success(request, _("Asked to stop; it writes a checkpoint and can be resumed."))
    return redirect("run", slug, run.pk)


@require_POST
@login_required
def run_resume(request: HttpRequest, slug: str, run_id: int) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.TRAIN)
    run = services.resume_run(run=selectors.run_in(project, run_id), actor=user_of(request))
    messages.success(request, _("It goes on from its newest checkpoint."))
    return redirect("run", slug, run.pk)
