"""Asking the judge: through a run whose purse was set aside before, or directly where it is free.

Nothing here holds a transaction while the judge is asked. A purse and its run are written together,
so that after a kill either both are there or none; the next step then waits for the run and closes
its purse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Project
from annotation.instances.models import Instance, InstanceState
from annotation.judges import services as judges
from annotation.judges.estimating import estimate
from annotation.judges.models import Judge, JudgeCall, JudgeRun, Provider, Stage
from annotation.judges.runs import LOCAL, costs, start_run
from annotation.judges.selecting import INSTANCES
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination
from jobs import runner
from jobs.context import JobContext
from jobs.waiting import wait
from routing.budgets.models import Purse
from routing.budgets.purses import close_purse, purse
from routing.decisions.models import Decision
from routing.decisions.naming import decisions_about
from routing.decisions.selectors import replaced

from .work import Work

# Instances that one run is about.
MOST = 500
CASCADE = "cascade"


@dataclass(frozen=True)
class Planned:
    """Instances to ask a judge about, and the most it can cost in micros."""

    judge: Judge
    criteria: tuple[Criterion, ...]
    instances: tuple[int, ...]
    most: int


def plan(judge: Judge, criteria: Sequence[Criterion], instances: Sequence[int]) -> Planned:
    """What asking costs at most; what is stored already costs nothing.

    Raises:
        InvalidInput: the judge cannot be asked.
    """
    most = 0
    if costs(judge) and instances:
        most = estimate(judge, criteria, instances, looked_at=len(instances)).most_micros
    return Planned(judge, tuple(criteria), tuple(instances), most)


def through_run(judge: Judge) -> bool:
    """Whether it is asked by a run: it costs money, or needs the workers with the memory."""
    return costs(judge) or judge.provider in LOCAL


@transaction.atomic
def open_run(project: Project, planned: Planned) -> JudgeRun:
    """Set the purse aside and queue the run; both or none.

    Raises:
        BudgetExceeded: a window cannot pay for it.
        Conflict: somebody is asking this judge.
    """
    # Of two at once the second waits here, and then finds the judge asked.
    Judge.objects.select_for_update(no_key=True).only("pk").get(pk=planned.judge.pk)
    number = JudgeRun.objects.filter(judge=planned.judge).count() + 1
    budget = None
    if costs(planned.judge):
        # With its number: two judges may share the beginning of a long name.
        name = f"{planned.judge.name[:40]} ({planned.judge.pk}), live run {number}"
        budget = purse(
            project=project,
            name=name,
            amount=planned.most,
            judge=planned.judge,
            labels=len(planned.instances) * len(planned.criteria),
        )
    return start_run(
        judge=planned.judge,
        criteria=[criterion.key for criterion in planned.criteria],
        selection={"of": INSTANCES, "instances": list(planned.instances)},
        budget=budget,
        decision_of=decisions_about(planned.instances),
    )


def finish_run(context: JobContext, run: JudgeRun) -> JudgeRun:
    """Do the run here unless a worker has it, and settle what it really cost."""
    if run.job is not None:
        if run.judge.provider not in LOCAL:
            runner.run(run.job.pk, owner="live routing", heartbeat=False)
        wait(context, [run.job])
    if run.budget is not None:
        close_purse(run.budget)
    run.refresh_from_db()
    return run


def finish_open(context: JobContext, project: Project) -> int:
    """Close the purses whose runs a lost attempt left behind; returns how many."""
    left = Purse.objects.filter(budget__project=project, closed_at__isnull=True)
    runs = JudgeRun.objects.filter(budget__in=left.values("budget")).select_related(
        "job", "judge", "budget"
    )
    for run in runs:
        finish_run(context, run)
    return len(runs)


def ask(
    context: JobContext, work: Work, planned: Planned, *, first: Callable[[], None] | None = None
) -> str:
    """Ask now; returns why it stopped before the end, blank where it did not.

    `first` is done in one transaction with taking the judge's purse, before anything is asked.

    Raises:
        BudgetExceeded, Conflict, InvalidInput: it could not begin.
    """
    if not planned.instances:
        return ""
    stopped, run = "", None
    with transaction.atomic():
        if first is not None:
            first()
        if through_run(planned.judge):
            run = open_run(work.project, planned)
    if run is not None:
        stopped = finish_run(context, run).stop_reason
    else:
        for criterion in planned.criteria:
            judges.ask(
                judge=planned.judge,
                instance_ids=planned.instances,
                criterion=criterion,
                decision_of=decisions_about(planned.instances),
                progress=lambda done, total: context.progress(done, total, "asking the judge"),
            )
    return stopped


def unasked(judge: Judge, criteria: Sequence[Criterion], ids: Sequence[int] | None = None) -> Q:
    """Instances that the judge has neither labelled nor tried to, on one of the criteria.

    What it tried and failed is asked again from the judge's own page, not by every step.
    """
    found = Q(pk__in=[])
    for criterion in criteria:
        about = {"instance": OuterRef("pk"), "criterion": criterion}
        # By the annotator's own number: of how many rows carry it the planner knows.
        labels = Annotation.objects.filter(annotator=judge.annotator.pk, **about)
        found |= ~Q(Exists(labels)) & ~Q(Exists(JudgeCall.objects.filter(judge=judge, **about)))
    return found if ids is None else found & Q(pk__in=ids)


@dataclass(frozen=True)
class Debt:
    """Who is to be asked on a criterion about what went to these destinations in these arms."""

    judge: Judge
    criterion: Criterion
    arms: Sequence[str] = tuple(Arm.values)
    to: Sequence[str] = (Destination.JUDGE, Destination.BOTH)


def debts(work: Work) -> list[Debt]:
    """Everybody who may have to be asked.

    The strong judge of a cascade labels the seed too: its threshold is set on it. Programs check
    what was sent to them.
    """
    found = []
    for criterion in work.criteria:
        found.append(Debt(work.judge, criterion))
        if work.live.strategy == CASCADE and work.live.strong_judge is not None:
            drawn = (Arm.SEED, Arm.EXPLORE, Arm.AUDIT)
            found.append(Debt(work.live.strong_judge, criterion, arms=drawn))
        if (program := verifier_of(work.project)) is not None:
            found.append(Debt(program, criterion, to=(Destination.VERIFIER,)))
    return found


def verifier_of(project: Project) -> Judge | None:
    """The program that checks the project's completions; None where there is none."""
    rows = Judge.objects.filter(project=project, provider=Provider.VERIFIER, stage=Stage.ACTIVE)
    return rows.order_by("pk").first()


def owed(work: Work, debt: Debt, most: int = MOST) -> list[int]:
    """Instances that were sent to the judge, here or beside people, and were not asked about.

    Where criteria were routed by themselves, the decision about this one says so.
    """
    found = {
        pk
        for rows in (*_sent_whole(work, debt), _sent_apart(debt))
        for pk in rows.filter(unasked(debt.judge, [debt.criterion]), project=work.project)
        .exclude(state__in=[InstanceState.DROPPED, InstanceState.FLAGGED])
        .order_by("pk")
        .values_list("pk", flat=True)[:most]
    }
    return sorted(found)[:most]


def _sent_whole(work: Work, debt: Debt) -> tuple[QuerySet[Instance], QuerySet[Instance]]:
    """Sent as a whole, alone and beside people: assignments say where to, as decisions do.

    What a judge alone was sent is settled by its answer: most of a project, which is passed over
    here where only one criterion is asked.
    """
    apart = Decision.objects.filter(~replaced(), instance=OuterRef("pk"), criterion__isnull=False)
    rows = Instance.objects.filter(~Exists(apart), assignment__arm__in=debt.arms)
    both = {Destination.BOTH} & set(debt.to)
    alone = rows.filter(assignment__destination__in=set(debt.to) - both)
    if not work.by_criterion:
        alone = alone.filter(state=InstanceState.ROUTED)
    return alone, rows.filter(assignment__destination__in=both)


def _sent_apart(debt: Debt) -> QuerySet[Instance]:
    sent = Decision.objects.filter(
        ~replaced(),
        instance=OuterRef("pk"),
        criterion=debt.criterion,
        destination__in=debt.to,
        arm__in=debt.arms,
    )
    return Instance.objects.filter(Exists(sent), assignment__isnull=False)


def owes(work: Work) -> bool:
    """Whether somebody is to be asked."""
    return any(owed(work, debt, 1) for debt in debts(work))
