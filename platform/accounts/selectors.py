"""Reads about people and projects."""

from django.db.models import QuerySet

from .models import Membership, User


def memberships_of(user: User) -> QuerySet[Membership]:
    """The user's projects with their role in each, newest first; archived ones left out."""
    return (
        Membership.objects.select_related("project")
        .filter(user=user, project__archived_at__isnull=True)
        .order_by("-project__created_at")
    )
