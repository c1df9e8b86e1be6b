"""Reads for the page of live routing."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, FloatField, Q
from django.db.models.functions import Cast, Floor, Least

from accounts.models import Project
from annotation.queue.models import Slot, SlotState
from jobs.models import Job
from routing.decisions.models import Decision
from routing.decisions.selectors import replaced
from routing.decisions.selectors import standing as once
from routing.strategies.registry import SPECS, Spec

from . import fitting
from .asking import Debt, owed
from .loop import KIND
from .models import LiveRouting, Mode
from .services import NOT_LIVE, live_of
from .work import Work, waiting

BINS = 10
# So many waiting instances are counted; beyond it the page says "more than".
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Progress:
    """How far it is to the next router: `there` of `needed`; `what` is seed or refit."""

    what: str
    there: int
    needed: int


@dataclass(frozen=True)
class LiveView:
    """Everything the page shows. `bins`: counts of decisions by propensity, ten equal bins."""

    live: LiveRouting
    job: Job | None
    waiting: int
    owed: int
    open_slots: int
    split: list[dict[str, Any]]
    progress: Progress | None
    bins: list[dict[str, Any]]
    recent: list[Decision]

    @property
    def on(self) -> bool:
        return bool(self.live.mode != Mode.OFF)


def live_view(project: Project, *, recent: int = 12) -> LiveView:
    """The state of a project's live routing. A constant number of queries."""
    live = live_of(project)
    work = Work(live)
    ready = live.judge is not None
    slots = Slot.objects.filter(project=project, state__in=[SlotState.OPEN, SlotState.LEASED])
    return LiveView(
        live=live,
        job=Job.objects.filter(project=project, kind=KIND).order_by("-pk").first(),
        waiting=waiting(project)[:MOST_COUNTED].count(),
        owed=len(owed(work, Debt(work.judge, work.criterion))) if ready else 0,
        open_slots=slots.count(),
        split=split(project),
        progress=_progress(work) if ready else None,
        bins=propensity_bins(project),
        recent=list(standing(project).order_by("-created_at")[:recent]),
    )


def choosable() -> list[Spec]:
    """The strategies that can be chosen for live routing."""
    return [spec for key, spec in SPECS.items() if key not in NOT_LIVE]


def _progress(work: Work) -> Progress | None:
    if not fitting.needs_seed(work):
        return None
    labelled = len(fitting.dual_labelled(work))
    if work.live.router is None:
        return Progress("seed", min(labelled, work.live.seed_size), work.live.seed_size)
    return Progress("refit", max(0, labelled - work.live.fitted_on), work.live.refit_after)


def standing(project: Project) -> Any:
    """The decisions in force, those about single criteria beside those about the instance."""
    rows = Decision.objects.filter(~replaced(), project=project)
    return rows.select_related("instance", "router", "criterion")


def split(project: Project) -> list[dict[str, Any]]:
    """Standing decisions by arm: `{"arm", "people", "judge", "both", "verifier", "total"}`."""
    rows = once(project).order_by().values("arm", "destination").annotate(count=Count("pk"))
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row["arm"], Counter())[row["destination"]] += row["count"]
    return [
        {
            "arm": arm,
            "people": found[arm]["human"],
            "both": found[arm]["both"],
            "judge": found[arm]["judge"],
            "verifier": found[arm]["verifier"],
            "total": found[arm].total(),
        }
        for arm in ("audit", "explore", "seed", "routed")
        if arm in found
    ]


def propensity_bins(project: Project) -> list[dict[str, Any]]:
    """Standing decisions by propensity: `{"low", "high", "count", "percent"}`, ten equal bins."""
    place = Least(Floor(F("propensity") * BINS), BINS - 1, output_field=FloatField())
    rows = (
        once(project).order_by().values(bin=Cast(place, FloatField())).annotate(count=Count("pk"))
    )
    counts = {int(row["bin"]): row["count"] for row in rows}
    most = max(counts.values(), default=0)
    return [
        {
            "low": bin_ / BINS,
            "high": (bin_ + 1) / BINS,
            "count": counts.get(bin_, 0),
            "most": most,
        }
        for bin_ in range(BINS)
        if most
    ]


@dataclass(frozen=True)
class Chosen:
    """What a list of decisions is narrowed to; blank is everything."""

    arm: str = ""
    destination: str = ""
    router: str = ""
    about: str = ""


def decisions(project: Project, chosen: Chosen, *, replaced: bool = False) -> Any:
    """Decisions newest first; without those that were replaced unless asked for."""
    rows = Decision.objects.filter(project=project) if replaced else standing(project)
    rows = rows.select_related("instance", "router", "criterion", "supersedes")
    if chosen.arm:
        rows = rows.filter(arm=chosen.arm)
    if chosen.destination:
        rows = rows.filter(destination=chosen.destination)
    if chosen.router.isdigit() and len(chosen.router) < 9:
        rows = rows.filter(router__version=int(chosen.router))
    if chosen.about:
        rows = rows.filter(
            Q(reason__icontains=chosen.about) | Q(instance__external_id__icontains=chosen.about)
        )
    return rows.order_by("-created_at", "-pk")


def history_of(instance_id: int, project: Project) -> list[Decision]:
    """All decisions about one instance, newest first."""
    rows = Decision.objects.filter(project=project, instance=instance_id)
    return list(rows.select_related("router", "criterion").order_by("-created_at"))
