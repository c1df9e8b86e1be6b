"""The rooms of routing on its overview: each with the one figure that says how it stands."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import Project
from frontend.naming import named
from frontend.numbers import local
from routing.budgets.windows import current_windows
from routing.decisions.models import Router
from routing.features.services import features_job
from routing.frontier.selectors import sheet_of
from routing.lab.models import Replay
from routing.live.models import LiveRouting, Mode

from .effects import titled
from .wishes import said


@dataclass(frozen=True)
class Room:
    """A door: its title, where it leads, its figure in words, and a line below it."""

    title: str
    url: str
    figure: str
    line: str
    troubled: bool = False


def rooms(project: Project, router: Router | None, live: LiveRouting | None) -> list[Room]:
    """In the order of the navigation. Four queries."""

    def room(title: str, name: str, figure: str, line: str, *, troubled: bool = False) -> Room:
        return Room(title, reverse(name, args=[project.slug]), figure, line, troubled)

    return [
        room(_("Live"), "routing-live", *_live(live), troubled=bool(live and live.stall)),
        room(_("Budgets"), "budgets", *_budgets(project)),
        room(_("Frontier"), "frontier", *_frontier(router)),
        room(_("Router"), "router", *_router(router)),
        room(_("Features"), "features", *_features(project)),
        room(_("Lab"), "replays", *_lab(project)),
    ]


def _live(live: LiveRouting | None) -> tuple[str, str]:
    if live is None or live.mode == Mode.OFF:
        return _("off"), _("new instances are not routed")
    if live.stall:
        return _("paused"), live.stall_reason
    modes = {Mode.STREAM: _("as they arrive"), Mode.BATCH: _("in batches")}
    return _("on"), modes[Mode(live.mode)]


def _budgets(project: Project) -> tuple[str, str]:
    windows = current_windows(project)
    if not windows:
        return _("none"), _("nothing can be bought")
    window = windows[0]
    allowance = window.allowance
    line = _("of %(limit)s spent: %(name)s") % {
        "limit": said(window.budget.limit, allowance),
        "name": allowance.name,
    }
    return said(window.budget.settled, allowance), line


def _frontier(router: Router | None) -> tuple[str, str]:
    sheet = sheet_of(router) if router else None
    if sheet is None:
        return "–", _("what a budget would buy")
    count = len(sheet)
    words = ngettext("%(n)s instance scored", "%(n)s instances scored", count)
    ends = sheet.ours.value[0], sheet.ours.value.max()
    figure = " – ".join(local(f"{100 * end:.1f}") for end in ends) + " %"
    return figure, words % {"n": local(f"{count:,}")}


def _router(router: Router | None) -> tuple[str, str]:
    if router is None:
        return "–", _("none is fitted yet")
    return f"v{router.version}", titled(router)


def _features(project: Project) -> tuple[str, str]:
    job = features_job(project)
    line = _("text, tags, and signals of judges")
    if job is None:
        return "–", _("not computed yet")
    if not job.ended:
        return _("computing"), line
    return (_("computed"), line) if job.state == "succeeded" else (named(job.state), line)


def _lab(project: Project) -> tuple[str, str]:
    count = Replay.objects.filter(project=project).count()
    words = ngettext("%(n)s replay", "%(n)s replays", count) % {"n": local(f"{count:,}")}
    return words, _("does routing help here?")
