"""Runs of judges: starting one, and the job that does it."""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.policies import Action, can
from annotation.ledger.models import Budget
from annotation.ledger.services import create_budget
from annotation.projects.models import Criterion
from annotation.projects.selectors import guideline_of
from core.exceptions import ApplicationError, BudgetExceeded, Conflict, Forbidden, InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.models import ACTIVE, Queue

from . import locks
from .models import Judge, JudgeRun, Provider, RunState, Stage
from .pricing import use_batch_prices
from .running.batching import BatchEngine
from .running.books import recover
from .running.engine import Engine
from .running.handed import still_open
from .running.progress import RunProgress, run_progress
from .running.recording import Going, Recording
from .running.session import batch_engine_for, counting, engine_for, labelling, labels, sources_of
from .selecting import selected

__all__ = [
    "KIND",
    "NewBudget",
    "RunProgress",
    "ask",
    "chosen_criteria",
    "run_judge",
    "run_progress",
    "start_run",
]

KIND = "judges.run"
# PostgreSQL may need a moment to see that a lost worker has gone.
LOCK_SECONDS = 30.0
# Judges that run a model of their own, on the workers that have the memory for it.
LOCAL = (Provider.LOCAL, Provider.REWARD)


@transaction.atomic
def start_run(
    *,
    judge: Judge,
    criteria: Sequence[str],
    selection: Mapping[str, Any],
    budget: Budget | None = None,
    trial: bool = False,
    retry_unknown: bool = False,
    batch: bool = False,
    decision_of: Mapping[int, UUID] | None = None,
    by: User | None = None,
) -> JudgeRun:
    """Ask a judge about instances, as a job; stored replies are used and never bought again.

    `criteria`: keys; `selection`: as `selecting.selected`; a `trial` writes no labels;
    `retry_unknown`: also ask again what may have been paid before; `batch`: through the
    provider's batch endpoint; `decision_of`: the routing decision behind the label of an instance.

    Raises:
        InvalidInput: the judge cannot be asked like this; the message says what to do.
        Conflict: the judge is being asked already.
    """
    asked = chosen_criteria(judge, criteria)
    check(judge, budget, trial=trial, batch=batch)
    total = selected(judge, asked, selection).count() * len(asked)
    if not total:
        raise InvalidInput(_("There is nothing to ask: the selection holds no instance."))
    run = JudgeRun.objects.create(
        project=judge.project,
        judge=judge,
        budget=budget,
        trial=trial,
        criteria=[criterion.key for criterion in asked],
        selection=dict(selection) | _decided(decision_of),
        retry_unknown=retry_unknown,
        batch=batch,
        guideline=guideline_of(judge.project),
        total=total,
        created_by=by,
    )
    run.job = jobs.submit(
        kind=KIND,
        project=judge.project,
        arguments={"run": run.pk},
        created_by=by,
        unique_key=f"judge:{judge.pk}",
        queue=Queue.GPU if judge.provider in LOCAL else None,
    )
    run.save(update_fields=["job"])
    return run


@dataclass(frozen=True)
class NewBudget:
    """A budget to be made for a run."""

    name: str
    limit_micros: int


@transaction.atomic
def ask(
    *, judge: Judge, by: User, budget: Budget | None, new_budget: NewBudget | None, **how: Any
) -> JudgeRun:
    """Start a run, out of a new budget where one is wished for: both, or neither.

    Whoever asks twice at once waits here, and learns of the run of the first one. `how`: the
    criteria, the selection and the choices of `start_run`.

    Raises:
        Conflict: the judge is being asked already.
        Forbidden: who asks may not make budgets.
        InvalidInput: as `start_run`.
    """
    Judge.objects.select_for_update().get(pk=judge.pk)
    if JudgeRun.objects.filter(judge=judge, job__state__in=ACTIVE).exists():
        raise Conflict(_("This judge is being asked already."))
    if new_budget is not None:
        if not can(by, Action.ROUTE, judge.project):
            raise Forbidden(_("Owners and admins make budgets: choose one that is there."))
        budget = create_budget(
            project=judge.project, name=new_budget.name, limit_micros=new_budget.limit_micros
        )
    return start_run(judge=judge, budget=budget, by=by, **how)


def _decided(decision_of: Mapping[int, UUID] | None) -> dict[str, Any]:
    named = {str(pk): str(decision) for pk, decision in (decision_of or {}).items()}
    return {"decisions": named} if named else {}


def _decision_of(run: JudgeRun) -> dict[int, UUID]:
    named = run.selection.get("decisions", {})
    return {int(pk): UUID(decision) for pk, decision in named.items()}


def chosen_criteria(judge: Judge, keys: Sequence[str]) -> list[Criterion]:
    """The criteria of these keys.

    Raises:
        InvalidInput: there is none, or one is no criterion of the project.
    """
    found = list(Criterion.objects.filter(project=judge.project_id, key__in=keys))
    if not keys or len(found) != len(set(keys)):
        raise InvalidInput(_("Choose criteria of this project for the judge to be asked about."))
    return found


def check(judge: Judge, budget: Budget | None, *, trial: bool, batch: bool) -> None:
    """Pass if the judge may be asked out of this budget.

    Raises:
        InvalidInput: it may not; the message says what to do.
    """
    if judge.stage == Stage.RETIRED:
        raise InvalidInput(_("This judge is retired: ask the version that replaced it."))
    if judge.stage == Stage.DRAFT and not trial:
        raise InvalidInput(_("This judge is a draft: try it, and promote it before it labels."))
    if not judge.price_known:
        raise InvalidInput(
            _("Nobody has said what this judge costs: enter its prices first; 0 is a price.")
        )
    if budget is None and costs(judge):
        raise InvalidInput(_("This judge costs money: choose the budget that pays for it."))
    if budget is not None and budget.project_id != judge.project_id:
        raise InvalidInput(_("Choose a budget of this project."))
    if batch and not (judge.connection and judge.connection.batches):
        raise InvalidInput(_("The judge's connection has no batch endpoint: ask it directly."))


def costs(judge: Judge) -> bool:
    """Whether asking it costs money; recorded labels only pretend to."""
    prices = (
        judge.price_per_call_micros,
        judge.price_per_1k_input_micros,
        judge.price_per_1k_output_micros,
    )
    return judge.provider != Provider.RECORDED and any(prices)


def run_judge(context: JobContext) -> dict[str, Any]:
    """Arguments: run (id)."""
    return run_with(_ask, context)


def run_with(ask: Callable[[JudgeRun, JobContext], None], context: JobContext) -> dict[str, Any]:
    """The job of a run (argument: its id). A later attempt goes on where a lost one was."""
    related = ("judge__project", "judge__connection", "judge__prompt", "budget")
    run = JudgeRun.objects.select_related(*related).get(pk=context.arguments["run"])
    run.state, run.started_at = RunState.RUNNING, run.started_at or timezone.now()
    run.save(update_fields=["state", "started_at"])
    with _failing(run):
        ask(run, context)
    context.log(f"{run.judge.name}: {run.state} with {run.counts}. {run.stop_reason}".strip())
    return {"run": run.pk, "state": run.state, "reason": run.stop_reason, "counts": run.counts}


def _ask(run: JudgeRun, context: JobContext) -> None:
    judge = run.judge
    criteria = chosen_criteria(judge, run.criteria)
    if run.batch:
        use_batch_prices(judge)
    sources = sources_of(judge, criteria)
    with locks.asking(judge, patience=LOCK_SECONDS, meanwhile=context.check):
        handed_in = [key for row in still_open(judge) for key in row.keys]
        recover(judge, bought=sources[0].provider.buys, except_keys=handed_in)
        # All ids at once, eight bytes each: labels written later change what a selection holds.
        rows = selected(judge, criteria, run.selection).values_list("pk", flat=True)
        ids = array("q", rows.iterator(chunk_size=1000))
        # What an earlier attempt labelled may be no part of the selection any more.
        left = len(ids) * len(sources)
        labelled = max(0, run.total - left) if context.attempt > 1 else 0
        run.total = labelled + left
        run.save(update_fields=["total"])
        recording = Recording(run, context, labelled=labelled)
        label = labelling(judge, _decision_of(run)) if labels(judge, trial=run.trial) else counting
        engine: Engine | BatchEngine
        if run.batch:
            engine = batch_engine_for(run, sources, ids, label=label, look=recording.look)
        else:
            engine = engine_for(
                judge,
                sources,
                ids,
                budget=run.budget,
                label=label,
                look=recording.look,
                run=run,
                retry_unknown=run.retry_unknown,
            )
        with recorded(recording, engine):
            engine.run(sources)


@contextmanager
def _failing(run: JudgeRun) -> Iterator[None]:
    """A run that cannot begin says why."""
    try:
        yield
    except ApplicationError as error:
        run.state, run.stop_reason, run.finished_at = (
            RunState.FAILED,
            error.message[:300],
            timezone.now(),
        )
        run.save(update_fields=["state", "stop_reason", "finished_at"])
        raise


@contextmanager
def recorded(recording: Recording, engine: Going) -> Iterator[None]:
    """Write how the run ends. A budget that is used up is an end like another."""
    try:
        yield
    except BudgetExceeded as error:
        recording.end(engine, error)
    except BaseException as error:
        recording.end(engine, error)
        raise
    else:
        recording.end(engine, None)
