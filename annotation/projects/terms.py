"""Everything a labelling request needs to know of its project, read once."""

from dataclasses import dataclass
from functools import cached_property

from accounts.models import Project

from .models import Criterion, Guideline, Protocol
from .selectors import guideline_of, protocol_of

# Raw, because every request of the labelling page asks this.
PROTOCOL = """
SELECT protocol.*, (
  SELECT guideline.id FROM annotation_guideline AS guideline
  WHERE guideline.project_id = protocol.project_id
  ORDER BY guideline.version DESC LIMIT 1) AS guideline_id
FROM annotation_protocol AS protocol WHERE protocol.project_id = %s
"""
CRITERIA = "SELECT * FROM annotation_criterion WHERE project_id = %s ORDER BY position, id"


@dataclass(frozen=True)
class Terms:
    """What a project asks for at this moment; hand it on within one request, never further."""

    project: Project
    protocol: Protocol
    criteria: list[Criterion]
    # Of the newest version, whose text `guideline` reads.
    guideline_id: int | None

    @cached_property
    def by_key(self) -> dict[str, Criterion]:
        return {criterion.key: criterion for criterion in self.criteria}

    @cached_property
    def guideline(self) -> Guideline | None:
        """The newest version. One query, the first time."""
        return guideline_of(self.project)


def terms_of(project: Project) -> Terms:
    """The protocol with the criteria. Two queries.

    Raises:
        NotFound: the project was made without a protocol.
    """
    protocol = next(iter(Protocol.objects.raw(PROTOCOL, [project.pk])), None)
    if protocol is None:
        # Says what is missing.
        protocol = protocol_of(project)
    protocol.project = project
    criteria = list(Criterion.objects.raw(CRITERIA, [project.pk]))
    for row in criteria:
        row.project = project
    return Terms(project, protocol, criteria, vars(protocol).get("guideline_id"))
