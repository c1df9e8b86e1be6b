"""The dashboard: how fast, how alike, how long, who; every figure leads to its instances."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.dashboards import agreement, selectors
from annotation.dashboards.periods import SPANS, Period, period_of
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of, protocol_of
from frontend.dashboard_charts import agreement_chart, throughput_chart, times_chart
from frontend.pages import project_page, user_of

# Agreement moves slowly and is asked by the week: it always looks at a quarter.
AGREEMENT_FOR = timedelta(days=91)
# Figures of labels are computed again when a label comes. Where that takes longer than `SLOW`
# seconds they are kept for a few minutes, and the page says of when they are.
SLOW, KEPT_SECONDS = 1.0, 180


@dataclass(frozen=True)
class Figures:
    """Everything on the page that is read from labels, as of `at`; it took `took` seconds."""

    at: datetime
    took: float
    buckets: list[selectors.Bucket]
    distributions: list[selectors.Distribution]
    times: selectors.Times
    weeks: list[agreement.Week]
    people: list[selectors.Person]


@require_safe
@login_required
def dashboard(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_PROJECT)
    criteria = criteria_of(project)
    chosen = next((c for c in criteria if c.key == request.GET.get("criterion")), None)
    period = period_of(request.GET.get("period", ""), timezone.now())
    figures = _kept(project, period, criteria, chosen)
    stages = selectors.funnel(project)
    most = max([stage.count for stage in stages] + [1])
    return project_page(
        request,
        "dashboard/page.html",
        project,
        "dashboard",
        period=period,
        periods=list(SPANS),
        criteria=criteria,
        chosen=chosen,
        asked=chosen or (criteria[0] if criteria else None),
        figures=figures,
        total=sum(bucket.total for bucket in figures.buckets),
        throughput=throughput_chart(figures.buckets, period.unit),
        agreement=agreement_chart(figures.weeks),
        few=[week for week in figures.weeks if week.estimate.few_prompts],
        times=times_chart(figures.times.bins),
        least=protocol_of(project).least_seconds,
        stages=[(stage, 100 * stage.count / most) for stage in stages],
        span=_span(period.start, period.end),
        quarter=_span(period.end - AGREEMENT_FOR, period.end),
        instances=sum(stage.count for stage in stages if stage.state),
    )


def _span(start: datetime, end: datetime) -> str:
    """Days as the list of instances filters by them."""
    return urlencode({"day": f"{start:%Y-%m-%d}", "until": f"{end:%Y-%m-%d}"})


def _kept(
    project: Project, period: Period, criteria: list[Criterion], chosen: Criterion | None
) -> Figures:
    """The figures, from the cache where nobody has labelled since."""
    moved = (selectors.newest_label(project), selectors.excluded_people(project))
    key = f"dashboard:{project.pk}:{period.key}:{chosen.pk if chosen else 0}"
    kept: Any = cache.get(key)
    if kept is not None and (kept[0] == moved or kept[1].took > SLOW):
        return cast(Figures, kept[1])
    found = _figures(project, period, criteria, chosen)
    cache.set(key, (moved, found), KEPT_SECONDS)
    return found


def _figures(
    project: Project, period: Period, criteria: list[Criterion], chosen: Criterion | None
) -> Figures:
    started, protocol = monotonic(), protocol_of(project)
    labels = selectors.labels_in(project, period, chosen)
    # Time is of the whole instance: it is counted once, by one criterion.
    asked = chosen or criteria[0]
    quarter = Period("quarter", period.end - AGREEMENT_FOR, period.end, "week")
    buckets = selectors.throughput(labels, period)
    answers = selectors.distributions(labels, criteria)
    times = selectors.times(selectors.labels_in(project, period, asked), protocol.least_seconds)
    weeks = agreement.weekly_agreement(project, quarter, asked, protocol)
    people = selectors.active_people(project, period.end)
    return Figures(period.end, monotonic() - started, buckets, answers, times, weeks, people)
