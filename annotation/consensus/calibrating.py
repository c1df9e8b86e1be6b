"""What a judge's probability counts as, where people have told what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accounts.models import Project
from annotation.judges.models import Calibration
from annotation.judges.report.calibration import apply
from annotation.labels.models import Annotator

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Calibrate:
    """Calibrations by annotator and criterion: method and knots."""

    known: Mapping[tuple[int, int], tuple[str, Mapping[str, Any]]] = field(default_factory=dict)

    def __call__(self, annotator: int, criterion: int, p: float) -> float | None:
        """P(canonical first) calibrated; None where it cannot be."""
        found = self.known.get((annotator, criterion))
        return float(apply(*found, [p])[0]) if found else None

    def all(self, annotator: Codes, criterion: Codes, p: Floats) -> Floats:
        """(labels,) the same of many; NaN where it cannot be."""
        found = np.full(len(p), np.nan)
        for (who, asked), calibration in self.known.items():
            mine = np.flatnonzero((annotator == who) & (criterion == asked) & ~np.isnan(p))
            found[mine] = apply(*calibration, p[mine])
        return found


def calibrate_of(project: Project) -> Calibrate:
    """The newest calibration of each judge and criterion over all domains; two queries."""
    judges = dict(
        Annotator.objects.filter(project=project, judge__isnull=False).values_list("judge", "pk")
    )
    rows = Calibration.objects.filter(judge__project=project, domain="").order_by("pk")
    return Calibrate(
        {
            (judges[judge], criterion): (method, knots)
            for judge, criterion, method, knots in rows.values_list(
                "judge", "criterion", "method", "knots"
            )
            if judge in judges
        }
    )
