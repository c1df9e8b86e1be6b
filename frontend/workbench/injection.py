"""How far a version can be talked round, as the page of its trial shows it."""

from typing import Any

from annotation.judges.injection.services import CALLS, KIND, newest_injection
from annotation.judges.models import JudgeRun
from annotation.judges.workbench.results import Result
from jobs.models import ENDED, Job


def injection_of(run: JudgeRun, result: Result) -> dict[str, Any]:
    """The newest measuring of the trial's judge, one that is under way, and what one may cost."""
    measured = newest_injection(run.judge, result.criterion)
    jobs = Job.objects.filter(kind=KIND, project=run.project_id, arguments__judge=run.judge_id)
    newest = jobs.order_by("-pk").first()
    each = result.cost_micros / result.calls if result.calls else 0
    return {
        "injection": measured.result if measured else None,
        "injection_job": newest if newest and newest.state not in ENDED else None,
        "injection_failed": newest if newest and newest.state == "failed" else None,
        "injection_calls": CALLS,
        "injection_micros": round(CALLS * each),
    }
