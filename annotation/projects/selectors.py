"""Reads about a project's protocol, criteria and guideline."""

from collections.abc import Collection, Iterable

from django.db.models import QuerySet

from accounts.models import Project, User
from accounts.policies import ALLOWED, Action
from annotation.labels.models import Annotation
from core.exceptions import NotFound

from .models import Criterion, Guideline, Protocol


def protocol_of(project: Project) -> Protocol:
    """How the project collects labels.

    Raises:
        NotFound: the project was made without a protocol.
    """
    protocol = Protocol.objects.filter(project=project).first()
    if protocol is None:
        raise NotFound(f"The project {project.slug} has no protocol yet.")
    return protocol


def criteria_of(project: Project) -> list[Criterion]:
    """What is asked of every instance, in the order it is asked."""
    return list(Criterion.objects.filter(project=project))


def asked_among(criteria: Iterable[Criterion], keys: Collection[str]) -> list[Criterion]:
    """Those of the criteria that a slot asks: the ones it names, or all where it names none."""
    return [each for each in criteria if not keys or each.key in keys]


def main_criterion(project: Project) -> Criterion:
    """The first criterion: imported labels answer this one."""
    criterion = Criterion.objects.filter(project=project).first()
    if criterion is None:
        raise NotFound(f"The project {project.slug} asks nothing yet: add a criterion.")
    return criterion


def guideline_of(project: Project) -> Guideline | None:
    """The newest version of the guideline."""
    return Guideline.objects.filter(project=project).order_by("-version").first()


def guidelines_of(project: Project) -> QuerySet[Guideline]:
    """Every version, newest first."""
    return Guideline.objects.filter(project=project).order_by("-version")


def answered_keys(project: Project) -> set[str]:
    """The keys of the criteria that some label answers: how they are answered stands still."""
    labels = Annotation.objects.filter(project=project)
    return set(labels.order_by().values_list("criterion__key", flat=True).distinct())


def archived_of(user: User) -> QuerySet[Project]:
    """The archived projects that this person may bring back, newest first."""
    roles = [str(role) for role in ALLOWED[Action.MANAGE_PROJECT]]
    return Project.objects.filter(
        archived_at__isnull=False, memberships__user=user, memberships__role__in=roles
    ).order_by("-archived_at")
