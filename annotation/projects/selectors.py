"""Reads about a project's protocol, criteria and guideline."""

from accounts.models import Project
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


def main_criterion(project: Project) -> Criterion:
    """The first criterion: imported labels answer this one."""
    criterion = Criterion.objects.filter(project=project).first()
    if criterion is None:
        raise NotFound(f"The project {project.slug} asks nothing yet: add a criterion.")
    return criterion


def guideline_of(project: Project) -> Guideline | None:
    """The newest version of the guideline."""
    return Guideline.objects.filter(project=project).order_by("-version").first()
