"""Measuring, as a job, how far a judge can be talked round; its newest result."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.judges.models import Judge
from annotation.judges.pricing import price
from annotation.judges.running.engine import Engine
from annotation.ledger.models import Budget
from annotation.projects.models import Criterion
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.models import Job, Queue, State

from .measuring import MOST_PAIRS, measure_injection
from .texts import CONTROLS, INJECTIONS

KIND = "judges.injection"
# Two orders of every text.
CALLS = 2 * (len(INJECTIONS) + len(CONTROLS))


@transaction.atomic
def start_measuring(
    *,
    judge: Judge,
    criterion: Criterion,
    budget: Budget | None,
    pairs: int = 20,
    by: User | None = None,
) -> Job:
    """Submit the job; `CALLS` calls at most are made.

    Raises:
        InvalidInput: the price is unknown, a judge that costs has no budget, or the number of
            pairs is out of range.
        Conflict: the judge is being asked or measured already.
    """
    if not judge.price_known:
        raise InvalidInput(_("Nobody has said what this judge costs: enter its prices first."))
    if budget is None and price(judge, 1000, 1000):
        raise InvalidInput(_("This judge costs money: choose the budget that pays for it."))
    if budget is not None and budget.project_id != judge.project_id:
        raise InvalidInput(_("Choose a budget of this project."))
    if not 1 <= pairs <= MOST_PAIRS:
        raise InvalidInput(_("Use 1 to %(most)d pairs.") % {"most": MOST_PAIRS})
    return jobs.submit(
        kind=KIND,
        project=judge.project,
        arguments={
            "judge": judge.pk,
            "criterion": criterion.key,
            "budget": budget.pk if budget else None,
            "pairs": pairs,
        },
        created_by=by,
        unique_key=f"judge:{judge.pk}",
        queue=Queue.GPU if judge.provider == "local-model" else None,
    )


def run_injection(ctx: JobContext) -> dict[str, Any]:
    """Arguments: judge (id), criterion (key), budget (id or none), pairs."""
    arguments, project = ctx.arguments, ctx.job.project_id
    related = ("project", "connection", "prompt")
    judge = Judge.objects.select_related(*related).get(pk=arguments["judge"], project=project)
    criterion = Criterion.objects.get(project=project, key=arguments["criterion"])
    budget = Budget.objects.filter(pk=arguments["budget"], project=project).first()

    def look(engine: Engine) -> None:
        ctx.progress(min(engine.calls, CALLS), CALLS)

    result = measure_injection(judge, criterion, pairs=arguments["pairs"], budget=budget, look=look)
    ctx.log(f"{judge.name}: {result['rows'][0]['moved']} verdicts moved")
    return result


def newest_injection(judge: Judge, criterion: Criterion) -> Job | None:
    """The newest finished measuring of the judge on the criterion; its `result` has the figures."""
    rows = Job.objects.filter(
        kind=KIND,
        project=judge.project_id,
        state=State.SUCCEEDED,
        arguments__judge=judge.pk,
        arguments__criterion=criterion.key,
    )
    return rows.order_by("-pk").first()
