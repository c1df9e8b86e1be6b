"""What a judge's probability counts as, where people have told what it is worth."""

from collections.abc import Callable, Mapping
from typing import Any

from accounts.models import Project
from annotation.judges.models import Calibration
from annotation.judges.report.calibration import apply
from annotation.labels.models import Annotator

# (annotator, criterion, P(canonical first)) → that probability calibrated, where it can be.
Calibrate = Callable[[int, int, float], float | None]


def calibrate_of(project: Project) -> Calibrate:
    """The newest calibration of each judge and criterion over all domains; two queries."""
    judges = dict(
        Annotator.objects.filter(project=project, judge__isnull=False).values_list("judge", "pk")
    )
    rows = Calibration.objects.filter(judge__project=project, domain="").order_by("pk")
    known: dict[tuple[int, int], tuple[str, Mapping[str, Any]]] = {
        (judges[judge], criterion): (method, knots)
        for judge, criterion, method, knots in rows.values_list(
            "judge", "criterion", "method", "knots"
        )
        if judge in judges
    }

    def calibrate(annotator: int, criterion: int, p: float) -> float | None:
        found = known.get((annotator, criterion))
        return float(apply(*found, [p])[0]) if found else None

    return calibrate
