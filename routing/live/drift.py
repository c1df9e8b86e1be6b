"""Has something changed since the router was fitted: what comes in, or the judge?

It is looked at after every batch, and when a new report about the judges is there. A refit on the
same labels would give the same router: so it waits for a few new dual labels, and until they are
there more is explored.
"""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from annotation.judges.report.selectors import newest_judge_report
from routing.decisions.models import Decision

from .features import features_of
from .fitting import dual_labelled, needs_seed
from .models import LiveRouting
from .stability import CHANGED, largest_shift
from .work import Work
from .writing import Stalled

# New instances that are compared, the newest ones, and how many there must be.
MOST, FEWEST = 500, 100
# A judge's agreement over time changed where chance would do so this rarely.
LEVEL = 0.01
# Where something changed so many times the share is explored, at least and at most these shares.
TIMES, LEAST, HIGHEST = 2, 0.1, 0.5


def explore_share(work: Work) -> float:
    """The share of exploration: more while something has changed and labels of it are missing.

    Where somebody has set it to 0 it stays 0.
    """
    share = work.live.explore_share
    if not share or not work.live.drift.get("trigger"):
        return share
    return min(HIGHEST, max(TIMES * share, LEAST))


def stale(work: Work) -> bool:
    """Whether there is something that was not looked at yet. Two queries."""
    if work.live.router is None or not needs_seed(work):
        return False
    return bool(work.live.drift.get("of") != _newest(work))


def measure(work: Work) -> dict[str, Any]:
    """Compare and store; `trigger` is there where a refit is due when there are new labels.

    `of` names what was looked at, so that nothing is looked at twice.
    """
    if work.live.router is None or not needs_seed(work):
        return {}
    of = _newest(work)
    try:
        found = _of_features(work)
    except Stalled:
        # Features of new instances are being computed: with the next batch.
        found = {}
    found |= _of_judge(work) | {"at": timezone.now().isoformat(), "of": of}
    LiveRouting.objects.filter(pk=work.live.pk).update(drift=found)
    return found


def _newest(work: Work) -> list[Any]:
    """The newest report of the judges and the newest decision of the router."""
    report = newest_judge_report(work.project)
    moment = _routed(work).order_by("-created_at").values_list("created_at", flat=True).first()
    router = work.live.router_id
    return [router, report.pk if report else 0, moment.isoformat() if moment else ""]


def _routed(work: Work) -> QuerySet[Decision]:
    """What this router decided, each instance once."""
    return Decision.objects.filter(
        project=work.project, router=work.live.router, criterion__isnull=True
    )


def _of_features(work: Work) -> dict[str, Any]:
    newest = _routed(work).order_by("-created_at").values_list("instance", flat=True)[:MOST]
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
