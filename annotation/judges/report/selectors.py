"""Reads about the judge report."""

from accounts.models import Project
from annotation.judges.models import Calibration, Judge, JudgeReport
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.projects.models import Criterion


def newest_judge_report(project: Project) -> JudgeReport | None:
    """The report that pages show."""
    rows = JudgeReport.objects.filter(project=project).select_related("job")
    return rows.order_by("-pk").first()


def judge_labels_since(report: JudgeReport) -> int:
    """How many labels of judges came after the report was begun."""
    rows = Annotation.objects.filter(
        project=report.project_id,
        annotator__kind=AnnotatorKind.JUDGE,
        created_at__gt=report.created_at,
    )
    return rows.count()


def calibration_of(judge: Judge, criterion: Criterion, domain: str = "") -> Calibration | None:
    """The newest calibration of a domain, else the one over all instances."""
    rows = Calibration.objects.filter(
        judge=judge, criterion=criterion, domain__in={domain, ""}
    ).order_by("-pk")
    found = {row.domain: row for row in reversed(rows)}
    return found.get(domain) or found.get("")
