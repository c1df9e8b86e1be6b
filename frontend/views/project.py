"""The overview of a project: where it stands and what to do next."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.datasets.selectors import snapshots_of
from annotation.instances.selectors import progress
from annotation.projects.selectors import protocol_of
from frontend.comparison import comparison_of
from frontend.pages import project_page, user_of
from frontend.reads import has_simulated, is_stuck, labelled_instances
from routing.rounds.models import Round
from routing.rounds.selectors import latest_round, stages_of, waiting_for


@require_safe
@login_required
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    project = project_for(user_of(request), slug, Action.SEE_PROJECT)
    counts, row = progress(project), latest_round(project)
    snapshot = snapshots_of(project).first()
    agreement = snapshot.manifest.get("agreement", {}) if snapshot else {}
    owed = waiting_for(row) if row else 0
    return project_page(
        request,
        "project/page.html",
        project,
        "project",
        counts=counts,
        fresh=counts["state"]["new"],
        funnel=_funnel(counts, labelled_instances(project), snapshot),
        split=_people_and_judges(counts["destination"]),
        agreement=agreement,
        snapshot=snapshot,
        protocol=protocol_of(project),
        round=row,
        stages=stages_of(row) if row else [],
        owed=owed,
        stuck=is_stuck(row.job) if row else False,
        replayable=counts["recorded"]["human"] > 0,
        simulated=has_simulated(project),
        verdict=comparison_of(row).get("verdict", ""),
        actions=_next_actions(project, counts, row, owed),
    )


def _funnel(counts: dict[str, Any], labelled: int, snapshot: Any) -> list[tuple[str, int, float]]:
    """(name, instances, share in per cent of all) from import to snapshot."""
    total = counts["instances"]
    stages = [
        (_("imported"), total),
        (_("routed"), total - counts["state"]["new"]),
        (_("labelled"), labelled),
        (_("in a snapshot"), sum(snapshot.manifest.get("rows", {}).values()) if snapshot else 0),
    ]
    return [(name, count, 100 * count / total if total else 0) for name, count in stages]


def _people_and_judges(sent: dict[str, int]) -> dict[str, Any]:
    people, judges = sent["human"] + sent["both"], sent["judge"]
    total = people + judges
    return {
        "people": people,
        "judges": judges,
        "total": total,
        "share": 100 * people / total if total else 0,
    }


def _at(route: str, project: Project) -> str:
    return reverse(route, args=[project.slug])


def _next_actions(
    project: Project, counts: dict[str, Any], row: Round | None, owed: int
) -> list[tuple[str, str]]:
    """(what to do, where) in the order in which it helps."""
    actions = []
    if not counts["instances"]:
        actions.append((_("Bring instances: nothing is here yet"), _at("upload", project)))
        actions.append((_("Invite the people who will label"), _at("people", project)))
        actions.append((_("See what annotators will be asked"), _at("guideline", project)))
    if counts["state"]["new"] and not row:
        text = _("Send the new instances to people, or run the loop")
        actions.append((text, _at("project", project) + "#send"))
    if owed or counts["slots"]["open"]:
        number = owed or counts["slots"]["open"]
        actions.append(
            (_("Label: %(n)s places wait for people") % {"n": number}, _at("label", project))
        )
    if row and row.job and row.job.state == "failed":
        actions.append(
            (
                _("Round %(number)s failed: see why") % {"number": row.number},
                reverse("job", args=[project.slug, row.job.pk]),
            )
        )
    if row and row.summary:
        actions.append(
            (
                _("Read what round %(number)s found") % {"number": row.number},
                reverse("round", args=[project.slug, row.number]),
            )
        )
        actions.append((_("Download the data set"), _at("data", project)))
    return actions
