"""Reads about people and projects."""

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from core.exceptions import NotFound

from .models import Invitation, Membership, Project, User


def memberships_of(user: User) -> QuerySet[Membership]:
    """The user's projects with their role in each, newest first; archived ones left out."""
    return (
        Membership.objects.select_related("project")
        .filter(user=user, project__archived_at__isnull=True)
        .order_by("-project__created_at")
    )


def project_of_member(user: User, slug: str) -> Project | None:
    """The project with this slug, if the user is a member of it."""
    return Project.objects.filter(slug=slug, memberships__user=user).first()


def member_in(project: Project, member_id: int) -> Membership:
    """One membership of the project.

    Raises:
        NotFound: there is no such member in this project.
    """
    rows = Membership.objects.select_related("user", "project", "invitation")
    row = rows.filter(project=project, pk=member_id).first()
    if row is None:
        raise NotFound(_("There is no such member in this project."))
    return row


def invitations_of(project: Project) -> QuerySet[Invitation]:
    """The links of the project, newest first."""
    return Invitation.objects.filter(project=project).order_by("-pk")


def invitation_in(project: Project, invitation_id: int) -> Invitation:
    """One link of the project.

    Raises:
        NotFound: there is no such link in this project.
    """
    row = invitations_of(project).filter(pk=invitation_id).first()
    if row is None:
        raise NotFound(_("There is no such invitation in this project."))
    return row
