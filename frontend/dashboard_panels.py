"""The panels of the dashboard: each computed, kept and shown by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from time import monotonic
from typing import Any, cast
from urllib.parse import urlencode

from django.core.cache import cache
from django.utils.translation import gettext_lazy as _

from accounts.models import Project
from annotation.dashboards import agreement, selectors, standing
from annotation.dashboards.periods import Period, bucket_of
from annotation.projects.models import Criterion
from annotation.projects.selectors import protocol_of

from .dashboard_charts import agreement_chart, throughput_chart, times_chart

# Agreement moves slowly and is asked by the week: it always looks at a quarter.
AGREEMENT_FOR = timedelta(days=91)
# Figures of labels are computed again when a label comes. Where that takes longer than `SLOW`
# seconds they are kept for a few minutes, and the page says of when they are.
SLOW, KEPT_SECONDS = 0.2, 180
# With so many labels in the period the page comes first, and the panels after it.
AT_ONCE = 20_000

Context = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What the page is asked for: a period, and one criterion or all."""

    project: Project
    criteria: list[Criterion]
    chosen: Criterion | None
    period: Period

    @property
    def first(self) -> Criterion:
        """Time is of the whole instance: it is counted once, by one criterion."""
        return self.chosen or self.criteria[0]

    @property
    def quarter(self) -> Period:
        end = self.period.end
        return Period("quarter", bucket_of(end - AGREEMENT_FOR, "week"), end, "week")

    @cached_property
    def moved(self) -> tuple[int, int]:
        """Changes with a label, and where somebody is excluded."""
        return selectors.newest_label(self.project), selectors.excluded_people(self.project)

    @property
    def few(self) -> bool:
        """Few enough labels to count everything before the page is sent."""
        everything = min(self.quarter, self.period, key=lambda period: period.start)
        return standing.roughly(self.project, everything) <= AT_ONCE


@dataclass(frozen=True)
class Panel:
    """One panel's figures as of `at`; `took` seconds to count."""

    name: str
    at: datetime
    took: float
    context: Context

    @property
    def template(self) -> str:
        return f"dashboard/_{self.name}.html"


def _throughput(asked: Asked) -> Context:
    labels = standing.labels_in(asked.project, asked.period, asked.chosen)
    buckets = selectors.throughput(asked.project, labels, asked.period)
    chart = throughput_chart(buckets, asked.period.unit)
    return {"throughput": chart, "total": sum(bucket.total for bucket in buckets)}


def _stages(asked: Asked) -> Context:
    stages = selectors.funnel(asked.project)
    most = max([stage.count for stage in stages] + [1])
    return {
        "stages": [(stage, 100 * stage.count / most) for stage in stages],
        "instances": sum(stage.count for stage in stages if stage.state),
    }


def _agreement(asked: Asked) -> Context:
    protocol = protocol_of(asked.project)
    weeks = agreement.weekly_agreement(asked.project, asked.quarter, asked.first, protocol)
    few = [week for week in weeks if week.estimate.few_prompts]
    return {"agreement": agreement_chart(weeks), "few": few}


def _answers(asked: Asked) -> Context:
    every = _every(asked, asked.chosen)
    labels = standing.labels_in(asked.project, asked.period, asked.chosen)
    found = selectors.distributions(standing.sampled(labels, every), asked.criteria)
    return {"distributions": found, "answers_every": every}


def _times(asked: Asked) -> Context:
    every, least = _every(asked, asked.first), protocol_of(asked.project).least_seconds
    labels = standing.labels_in(asked.project, asked.period, asked.first)
    found = selectors.times(standing.sampled(labels, every), least)
    return {"times": times_chart(found.bins), "spent": found, "least": least, "times_every": every}


def _people(asked: Asked) -> Context:
    since = asked.period.end - selectors.ACTIVE_FOR
    return {
        "people": selectors.active_people(asked.project, asked.period.end),
        "since": f"{since:%Y-%m-%dT%H:%M}",
    }


def _every(asked: Asked, criterion: Criterion | None) -> int:
    return standing.share_of(standing.roughly(asked.project, asked.period, criterion))


TITLES = {
    "throughput": _("Labels over time"),
    "stages": _("Where the instances are"),
    "agreement": _("Agreement of people"),
    "answers": _("What was answered"),
    "times": _("Time on the instance"),
    "people": _("Who is active"),
}
# In the order of the page.
PANELS: dict[str, Callable[[Asked], Context]] = {
    "throughput": _throughput,
    "stages": _stages,
    "agreement": _agreement,
    "answers": _answers,
    "times": _times,
    "people": _people,
}


def kept(asked: Asked, name: str) -> Panel | None:
    """The panel from the cache, if nobody has labelled since or it was slow to count."""
    found: Any = cache.get(_key(asked, name))
    if found is None:
        return None
    fresh = found[0] == asked.moved or found[1].took > SLOW
    return cast(Panel, found[1]) if fresh else None


def counted(asked: Asked, name: str) -> Panel:
    """The panel, counted now unless it is kept. The number of queries is constant."""
    if (panel := kept(asked, name)) is not None:
        return panel
    # Agreement loads it. A chart drawn in another thread meanwhile would meet half a module.
    import pandas  # noqa: F401, PLC0415

    moved, started = asked.moved, monotonic()
    context = PANELS[name](asked)
    panel = Panel(name, asked.period.end, monotonic() - started, context)
    # Where instances are changes without a label.
    if name != "stages" or panel.took > SLOW:
        cache.set(_key(asked, name), (moved, panel), KEPT_SECONDS)
    return panel


def _key(asked: Asked, name: str) -> str:
    criterion = asked.chosen.pk if asked.chosen else 0
    return f"dashboard:{asked.project.pk}:{name}:{asked.period.key}:{criterion}"


def span_of(period: Period) -> str:
    """The period as the list of instances filters by it."""
    if period.unit == "hour":
        return urlencode({"day": f"{period.start:%Y-%m-%dT%H:%M}"})
    return urlencode({"day": f"{period.start:%Y-%m-%d}", "until": f"{period.end:%Y-%m-%d}"})
