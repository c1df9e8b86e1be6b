"""Has something changed since the router was fitted: what comes in, or the judge?"""

from typing import Any

from django.utils import timezone

from annotation.judges.report.selectors import newest_judge_report
from routing.decisions.models import Decision

from .features import features_of
from .fitting import dual_labelled, needs_seed
from .models import LiveRouting
from .stability import CHANGED, largest_shift
from .work import Work

# New instances that are compared, the newest ones, and how many there must be.
MOST, FEWEST = 500, 100
# A judge's agreement over time changed where chance would do so this rarely.
LEVEL = 0.01


def measure(work: Work) -> dict[str, Any]:
    """Compare and store; `trigger` is there where a refit is due."""
    if work.live.router is None or not needs_seed(work):
        return {}
    found = _of_features(work) | _of_judge(work)
    if found:
        found["at"] = timezone.now().isoformat()
        LiveRouting.objects.filter(pk=work.live.pk).update(drift=found)
    return found


def _of_features(work: Work) -> dict[str, Any]:
    routed = Decision.objects.filter(project=work.project, router=work.live.router)
    newest = routed.order_by("-created_at").values_list("instance", flat=True)[:MOST]
    new, reference = sorted(set(newest)), dual_labelled(work)
    if len(new) < FEWEST or not reference:
        return {}
    shift = largest_shift(features_of(work, reference).table, features_of(work, new).table)
    found: dict[str, Any] = {
        "feature": shift.feature,
        "index": round(shift.index, 4),
        "new": len(new),
        "reference": len(reference),
    }
    return found | ({"trigger": "feature drift"} if shift.index > CHANGED else {})


def _of_judge(work: Work) -> dict[str, Any]:
    """What the newest report of the judges says, if it is newer than the router."""
    report, router = newest_judge_report(work.project), work.live.router
    if report is None or router is None or report.created_at < router.created_at:
        return {}
    mine: dict[str, Any] = {}
    for found in report.figures.get("criteria", []):
        if found["key"] == work.criterion.key:
            mine = found["judges"].get(str(work.judge.pk), {})
    p = (mine.get("drift") or {}).get("change", {}).get("p")
    if p is None:
        return {}
    return {"judge_p": p} | ({"trigger": "judge drift"} if p < LEVEL else {})
