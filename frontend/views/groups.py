"""Groups of annotators who prefer differently, and agreement on parts of the data and of people."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.models import Project
from accounts.policies import Action, project_for
from annotation.consensus.groups import strongest
from annotation.labels.models import Annotator
from annotation.quality.measuring import labels_since, newest_report
from frontend.pages import project_page, user_of

MOST_MEMBERS, MOST_APART = 200, 20

Figures = Mapping[str, Any]


@require_safe
@login_required
def groups(request: HttpRequest, slug: str) -> HttpResponse:
    """What the newest report says of groups and slices."""
    project = project_for(user_of(request), slug, Action.SEE_QUALITY)
    report = newest_report(project)
    figures = report.figures if report else {}
    found = figures.get("groups")
    return project_page(
        request,
        "quality/groups.html",
        project,
        "quality",
        report=report,
        since=labels_since(report) if report else 0,
        groups=found,
        count=len(found["shares"]) if found else 0,
        rows=_groups(found) if found else [],
        members=_members(project, found) if found else [],
        apart=found["apart"][:MOST_APART] if found else [],
        slices=figures.get("slices"),
    )


def _groups(found: Figures) -> list[dict[str, Any]]:
    """A row per group: its share of the people, how much it agrees with itself and the others."""
    boards = found["boards"] or [[] for _ in found["shares"]]
    columns = zip(found["shares"], found["agreement"], found["with_all"], boards, strict=True)
    counts = _counts(found)
    worst = _worst(found["with_all"])
    return [
        {
            "number": number,
            "share": share,
            "agreement": agreement,
            "with_all": with_all,
            "board": board,
            "members": counts.get(number, 0),
            "worst": number == worst,
        }
        for number, (share, agreement, with_all, board) in enumerate(columns, 1)
    ]


def _worst(shares: Sequence[Figures | None]) -> int | None:
    """The group that sides least with everybody else; None of one."""
    known = [(share["value"], number) for number, share in enumerate(shares, 1) if share]
    return min(known)[1] if len(known) > 1 else None


def _counts(found: Figures) -> dict[int, int]:
    counts: dict[int, int] = {}
    for chances in found["members"].values():
        number = strongest(chances)
        counts[number] = counts.get(number, 0) + 1
    return counts


def _members(project: Project, found: Figures) -> list[dict[str, Any]]:
    """Who is in which group, surest first; nobody where there is one group."""
    if len(found["shares"]) < 2:
        return []
    people = Annotator.objects.filter(project=project).in_bulk()
    rows = [
        {"annotator": people[int(pk)], "group": strongest(chances), "chances": chances}
        for pk, chances in found["members"].items()
        if int(pk) in people
    ]
    return sorted(rows, key=lambda row: (row["group"], -max(row["chances"])))[:MOST_MEMBERS]
