"""Two to six runs side by side: their curves in one picture, settings, figures, samples."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.policies import Action, project_for
from frontend.pages import project_page, user_of
from frontend.run_charts import overlaid
from frontend.run_report import NUMBERS, SHARES
from frontend.templatetags.tandem import fixed, percent, span
from training.runs import selectors
from training.runs.models import Run

FEWEST, MOST = 2, 6


@require_safe
@login_required
def runs_compare(request: HttpRequest, slug: str) -> HttpResponse:
    """The runs that `run` names, as often as it stands in the address."""
    project = project_for(user_of(request), slug, Action.SEE_TRAINING)
    raw = [text for text in request.GET.getlist("run") if text.isascii() and text.isdigit()]
    runs = selectors.runs_among(project, [int(text) for text in raw if len(text) < 19])
    if not FEWEST <= len(runs) <= MOST:
        runs = []
    compared = selectors.compare(runs)
    context: dict[str, Any] = {
        "runs": runs,
        "charts": overlaid([(str(run), selectors.curve(run)) for run in runs]),
        "settings": compared.settings,
        "figures": _figures(runs),
        "samples": _samples(runs),
    }
    return project_page(request, "runs/compare.html", project, "runs", **context)


def _figures(runs: list[Run]) -> list[tuple[str, list[tuple[str, str]]]]:
    """A row for every held-out figure: value and interval of each run."""
    reports = [run.report.get("eval", {}) for run in runs]
    rows = []
    for name, words in {**SHARES, **NUMBERS}.items():
        if all(report.get(name) is None for report in reports):
            continue
        cells = []
        for report in reports:
            value, interval = report.get(name), report.get(f"{name}_interval")
            text = percent(value, 1) if name in SHARES else fixed(value, 3)
            cells.append((text, span(interval) if interval else ""))
        rows.append((str(words), cells))
    return rows


def _samples(runs: list[Run]) -> list[tuple[str, list[tuple[Run, str]]]]:
    """Every prompt that at least two of the runs continued, with what each said after training."""
    said: dict[str, list[tuple[Run, str]]] = {}
    for run in runs:
        for sample in run.report.get("samples", []):
            said.setdefault(sample["prompt"], []).append((run, sample["after"]))
    return [(prompt, texts) for prompt, texts in said.items() if len(texts) >= FEWEST]
