"""The project of `make demo` that is routed as it comes in, with its budget, frontier and replay.

Everything goes the way it goes in use; only people are simulated: recorded labels are submitted to
the places that routing opened, and paid for in the books.
"""

import uuid

from django.conf import settings

from accounts.models import Project, User
from annotation.instances.models import Origin, RecordedLabel
from annotation.instances.services import import_records
from annotation.judges.services import ensure_recorded
from annotation.labels.answers import Answer
from annotation.labels.models import AnnotatorKind
from annotation.labels.people import Name, annotators_named
from annotation.labels.services import submit
from annotation.ledger.models import Unit
from annotation.projects.models import TieKind
from annotation.projects.selectors import main_criterion, protocol_of
from annotation.queue.models import Slot, SlotState
from jobs.models import ENDED, Job
from jobs.runner import run_queued
from routing.budgets.models import Allowance, Period, Spender
from routing.budgets.services import create_allowance
from routing.features.services import compute_features, features_job
from routing.frontier.selectors import router_in_use, sheet_of
from routing.frontier.services import KIND as FRONTIER
from routing.frontier.services import prepare_frontier
from routing.lab.models import Replay
from routing.lab.services import Wanted, start_replay
from routing.live import services as live
from routing.live.loop import KIND
from routing.live.models import Mode

from .demo import embedded_lines, ensure_project
from .watching import Out, follow_job

MICROS = 1_000_000
# Every second prompt: enough for a seed, and for its router to choose among the rest.
EVERY = 2
SEED_SIZE = 80
MONEY, MINUTES = 60 * MICROS, 240 * MICROS
ARMS = ("all-human", "all-judge", "random", "judge-uncertainty", "learned", "oracle")
SHARES = (0.25, 0.5)
SEEDS = 3
# Of the places that the router opens, every third is left to whoever logs in.
LEFT = 3


def routed_project(users: dict[str, User]) -> Project:
    """A project that routes live, within two budgets; its first instances wait for the seed."""
    name = "Routed as it comes in (simulated labels)"
    project = ensure_project(users, slug="live", name=name)
    if not project.instances.exists():
        import_records(project=project, lines=embedded_lines(EVERY), reveal=False)
    if features_job(project) is None:
        compute_features(project=project, by=users["admin"])
    if not Allowance.objects.filter(project=project).exists():
        _give_budgets(project, users["admin"])
    if live.live_of(project).changed_by is None:
        live.change_settings(
            project=project,
            version=1,
            by=users["admin"],
            mode=Mode.STREAM,
            judge=ensure_recorded(project=project)[0],
            strategy="learned-error",
            seed_size=SEED_SIZE,
        )
    return project


def _give_budgets(project: Project, by: User) -> None:
    create_allowance(project=project, name="Labels", unit=Unit.MONEY, limit=MONEY, by=by)
    create_allowance(
        project=project,
        name="Time of people",
        unit=Unit.MINUTES,
        limit=MINUTES,
        period=Period.MONTH,
        spender=Spender.PEOPLE,
        by=by,
    )


def route(project: Project, out: Out) -> None:
    """Collect the seed, fit the router on it, and let it route the rest; nothing where it has.

    Raises:
        ApplicationError: a job of it failed; the message says why.
    """
    if router_in_use(project) is not None:
        return
    _wait(_rung(project), out)
    label_recorded(project)
    _wait(_rung(project), out)
    label_recorded(project, leaving=LEFT)


def _rung(project: Project) -> Job:
    """The job that routes: a new one, or the one that a tick has queued."""
    found = live.ring(project)
    waiting = Job.objects.filter(project=project, kind=KIND).exclude(state__in=ENDED)
    return found or waiting.order_by("pk").first() or _rung(project)


def _wait(job: Job, out: Out) -> None:
    if settings.JOBS_INLINE:
        run_queued(job)
    follow_job(job, out, name=job.kind)


def label_recorded(project: Project, *, leaving: int = 0) -> int:
    """Submit a recorded label to every open place, or to all but each `leaving`th; how many."""
    open_slots = Slot.objects.filter(project=project, state=SlotState.OPEN).order_by("pk")
    given: dict[int, list[RecordedLabel]] = {}
    rows = RecordedLabel.objects.filter(
        instance__slots__in=open_slots, origin=Origin.HUMAN, criterion=""
    )
    for row in rows.distinct().order_by("-pk"):
        given.setdefault(row.instance_id, []).append(row)
    names = {_name(row) for rows in given.values() for row in rows}
    people = annotators_named(project=project, salt=protocol_of(project).salt, names=names)
    key, filled = main_criterion(project).key, 0
    for number, slot in enumerate(open_slots, start=1):
        if given.get(slot.instance_id) and not (leaving and number % leaving == 0):
            row = given[slot.instance_id].pop()
            submit(
                slot_key=slot.key,
                annotator=people[_name(row)],
                client_id=uuid.uuid4(),
                answers=[_answer(row, key)],
            )
            filled += 1
    return filled


def _name(row: RecordedLabel) -> Name:
    return Name(AnnotatorKind.IMPORT, row.annotator, row.simulated)


def _answer(row: RecordedLabel, criterion_key: str) -> Answer:
    tied = len(set(row.ranking)) == 1
    return Answer(
        criterion_key=criterion_key,
        ranking=row.ranking,
        tie_kind=TieKind.TIE if tied else "",
        strength=None if tied else row.strength,
        rationale=row.rationale,
    )


def shown(project: Project, by: User) -> list[Job]:
    """The jobs that draw the frontier and the curves of a replay; none where these are drawn."""
    jobs = []
    router = router_in_use(project)
    if router is not None and sheet_of(router) is None:
        # A new router asks for its frontier itself: then there is one to wait for.
        asked = Job.objects.filter(project=project, kind=FRONTIER).exclude(state__in=ENDED).last()
        jobs.append(asked or prepare_frontier(project=project, by=by))
    if not Replay.objects.filter(project=project, standing=False).exists():
        judge = ensure_recorded(project=project)[0]
        wanted = Wanted(judge, strategies=ARMS, budgets=SHARES, seeds=SEEDS, name="First look")
        replay = start_replay(project=project, wanted=wanted, by=by)
        jobs.extend([replay.job] if replay.job else [])
    return jobs
