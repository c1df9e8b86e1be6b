"""Importing a few instances while the caller waits, also while people label."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from accounts.models import Project
from annotation.judges.revealed import write_revealed
from annotation.judges.services import ensure_recorded

from .lines import Line
from .readers import unstorable
from .services import ImportReport, import_records

MOST_INSTANCES = 1000


def import_small(
    *, project: Project, instances: Sequence[Mapping[str, Any]], reveal: bool, create_criteria: bool
) -> ImportReport:
    """Import objects of the interchange format; the report counts them from 1, as lines."""
    report = import_records(
        project=project,
        lines=_lines(instances),
        reveal=reveal,
    )
    if report.labels:
        ensure_recorded(project=project)
        write_revealed(project=project)
    return report


def _lines(instances: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for number, value in enumerate(instances, 1):
        reason = unstorable(value)
        yield Line(number, None, reason) if reason else Line(number, dict(value))
