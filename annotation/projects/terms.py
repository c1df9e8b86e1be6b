"""Everything a labelling request needs to know of its project, read once."""

from dataclasses import dataclass
from functools import cached_property

from accounts.models import Project

from .models import Criterion, Guideline, Protocol
from .selectors import guideline_of, protocol_of


@dataclass(frozen=True)
class Terms:
    """What a project asks for at this moment; hand it on within one request, never further."""

    project: Project
    protocol: Protocol
    criteria: list[Criterion]

    @cached_property
    def by_key(self) -> dict[str, Criterion]:
        return {criterion.key: criterion for criterion in self.criteria}

    @cached_property
    def guideline(self) -> Guideline | None:
        """The newest version. One query, the first time."""
        return guideline_of(self.project)


def terms_of(project: Project) -> Terms:
    """The protocol with the criteria. One query.

    Raises:
        NotFound: the project was made without a protocol.
    """
    rows = list(Criterion.objects.filter(project=project).select_related("project__protocol"))
    protocol = rows[0].project.protocol if rows else protocol_of(project)
    for row in rows:
        row.project = project
    return Terms(project, protocol, rows)
