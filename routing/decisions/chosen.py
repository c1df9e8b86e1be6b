"""Which decisions the query of a snapshot means."""

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Project

from .models import Decision


def decided(
    project: Project, strategies: list[str], routers: list[int]
) -> QuerySet[Decision, UUID]:
    """Ids of the decisions of routers of these strategies and versions; an empty list: of any."""
    rows = Decision.objects.filter(project=project)
    if strategies:
        rows = rows.filter(router__strategy__in=strategies)
    if routers:
        rows = rows.filter(router__version__in=routers)
    return rows.values_list("pk", flat=True)
