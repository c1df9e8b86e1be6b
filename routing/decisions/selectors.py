"""Reads about routers and decisions."""

from typing import Any

from django.db.models import Count, Exists, Func, OuterRef, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import Project
from core.exceptions import NotFound

from .models import Decision, Router


def latest_router(project: Project) -> Router | None:
    return Router.objects.filter(project=project).order_by("-version").first()


def replaced() -> Exists:
    """Whether another decision has taken the place of a row.

    `superseded_by__isnull` says the same by a join of which the planner expects one row at most: it
    then sorts all decisions where an index has the newest in order.
    """
    return Exists(Decision.objects.filter(supersedes=OuterRef("pk")))


def standing(project: Project) -> QuerySet[Decision]:
    """One for each instance: about it as a whole, and none has taken its place."""
    return Decision.objects.filter(~replaced(), project=project, criterion__isnull=True)


class _DomainTag(Func):
    """What follows `domain:` in the first such tag of an array; NULL where there is none."""

    template = r"substring(array_to_string(%(expressions)s, chr(10)) from '(?n)^domain:(.+)$')"
    output_field = TextField()


def split_by_domain(project: Project) -> list[dict[str, Any]]:
    """Routed instances by domain: `{"domain", "people", "judges", "share"}`, most people first.

    A tag `domain:law` says it, else the metadata. The seed and the audit arm are left out: nobody
    chose them. A share is people / all in [0, 1].
    """
    rows: dict[str, dict[str, Any]] = {}
    noted = KeyTextTransform("domain", "instance__metadata")
    counts = (
        standing(project)
        .filter(arm="routed")
        .values("destination", domain=Coalesce(_DomainTag("instance__tags"), noted))
        .annotate(count=Count("id"))
    )
    for row in counts:
        domain = row["domain"] or "no domain"
        entry = rows.setdefault(domain, {"domain": domain, "people": 0, "judges": 0})
        entry["people" if row["destination"] in {"human", "both"} else "judges"] += row["count"]
    for entry in rows.values():
        entry["share"] = entry["people"] / (entry["people"] + entry["judges"])
    return sorted(rows.values(), key=lambda entry: (-entry["people"], entry["domain"]))


def decisions_of(project: Project) -> QuerySet[Decision]:
    return Decision.objects.filter(project=project).select_related(
        "instance", "router", "criterion"
    )


def router_in(project: Project, version: int) -> Router:
    """One router of the project.

    Raises:
        NotFound: the project has no router of that version.
    """
    rows = Router.objects.filter(project=project, version=version)
    row = rows.select_related("project", "judge", "criterion", "job").first()
    if row is None:
        raise NotFound(_("This project has no router of that version."))
    return row
