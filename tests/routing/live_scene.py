"""A project whose new instances are routed live: planted pairs, a judge at the endpoint, people."""

import uuid
from typing import Any

from accounts.models import Project
from annotation.instances.models import Completion
from annotation.judges.models import Judge
from annotation.labels.answers import Answer
from annotation.labels.models import Annotator
from annotation.labels.services import submit
from annotation.ledger.models import Budget, Entry, EntryState, Unit
from annotation.queue.models import Slot
from annotation.queue.services import claim
from jobs.models import Job
from jobs.runner import run_queued
from routing.budgets.models import Allowance
from routing.budgets.services import create_allowance
from routing.live.models import LiveRouting, Mode
from routing.live.services import change_settings, live_of, ring
from routing.live.work import Work
from tests.annotation.judge_scene import connect, make_judge, plant
from tests.endpoint.client import Running
from tests.factories import make_annotator, make_project

POUND = 1_000_000
HUMAN = 300_000
# One under which the arms and the draws of planted pairs are about as large as their shares.
SALT = "dice"


def scene(server: Running, count: int, *, money: int = 10_000 * POUND, **values: Any) -> Project:
    """`count` planted pairs, a judge, one budget of money, and routing switched on."""
    project = same_draws(make_project())
    plant(project, count)
    allow(project, money)
    switch_on(project, make_judge(connect(project, server)), **values)
    return project


def same_draws(project: Project) -> Project:
    """Every run of a test draws the same arms, and sends the same instances to people."""
    project.protocol.salt = SALT
    project.protocol.save(update_fields=["salt"])
    return project


def allow(project: Project, money: int, name: str = "all") -> Allowance:
    return create_allowance(project=project, name=name, unit=Unit.MONEY, limit=money, by=None)


def switch_on(project: Project, judge: Judge, **values: Any) -> LiveRouting:
    given = {"mode": Mode.STREAM, "strategy": "judge-uncertainty", "judge": judge} | values
    return change_settings(project=project, version=live_of(project).version, by=None, **given)


def route(project: Project, *, everything: bool = False, refit: bool = False) -> dict[str, Any]:
    """Run the job here, the queued one or a new one; its result."""
    job = ring(project, everything=everything, refit=refit) or Job.objects.get(
        project=project, kind="routing.live", state="queued"
    )
    job = run_queued(job)
    assert job.state == "succeeded", job.error
    assert job.result is not None
    return dict(job.result)


def label_everything(project: Project, *, wrong_every: int = 0) -> int:
    """One person fills every open place as planted, each `wrong_every`th the other way round."""
    person = Annotator.objects.filter(project=project, kind="person").first()
    person = person or make_annotator(project, qualifications=[])
    number = 0
    while (slot := claim(project=project, annotator=person)) is not None:
        number += 1
        label(slot, person, wrong=bool(wrong_every) and number % wrong_every == 0)
    return number


def label(slot: Slot, person: Annotator, *, wrong: bool = False) -> None:
    first = Completion.objects.get(instance=slot.instance_id, position=0)
    good = ("0.9" in first.text) != wrong
    answer = Answer(criterion_key="overall", ranking=[1, 2] if good else [2, 1])
    submit(slot_key=slot.key, annotator=person, client_id=uuid.uuid4(), answers=[answer])


def holds(project: Project) -> bool:
    """Whether the books are in order: nothing over a limit, sums of entries as the budgets say."""
    for budget in Budget.objects.filter(project=project):
        assert budget.settled + budget.reserved + budget.unknown <= budget.limit
        entries = Entry.objects.filter(budget=budget)
        open_sum = sum(e.reserved for e in entries.filter(state=EntryState.RESERVED))
        assert budget.reserved == open_sum, budget.name
        assert budget.settled == sum(e.settled for e in entries), budget.name
    return True


def work_of(project: Project) -> Work:
    return Work(live_of(project))
