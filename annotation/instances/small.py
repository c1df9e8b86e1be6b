"""Importing a few instances while the caller waits, also while people label."""

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.models import Project, User
from annotation.judges.revealed import write_revealed
from annotation.judges.services import ensure_recorded

from .criteria_brought import bring_criteria
from .lines import Line
from .readers import unstorable
from .readers.values import too_deep
from .services import ImportReport, import_records

MOST_INSTANCES = 1000


def import_small(
    *,
    project: Project,
    instances: Sequence[Mapping[str, Any]],
    reveal: bool = True,
    create_criteria: bool = False,
    by: User | None = None,
) -> ImportReport:
    """Import objects of the interchange format; the report counts them from 1, as lines."""
    lines = [_line(number, value) for number, value in enumerate(instances, 1)]
    if create_criteria:
        values = (line.value for line in lines if line.value is not None)
        bring_criteria(project=project, values=values, by=by)
    report = import_records(project=project, lines=lines, reveal=reveal)
    if report.labels:
        ensure_recorded(project=project)
        write_revealed(project=project)
    return report


def _line(number: int, value: Mapping[str, Any]) -> Line:
    plain = dict(value)
    reason = too_deep(plain) or unstorable(plain)
    return Line(number, None, reason) if reason else Line(number, plain)
