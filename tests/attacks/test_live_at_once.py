"""Live routing done twice at once, and killed at any moment, while people work and admins save.

Real processes on the test's database; the books are read from another connection meanwhile.
"""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import Project
from annotation.judges.models import JudgeRun
from annotation.labels.models import Annotator
from annotation.labels.services import undo
from annotation.queue.models import Arm, Assignment, Slot
from annotation.queue.services import claim, release
from core.exceptions import ApplicationError
from core.hashing import unit_interval
from jobs import services as jobs
from jobs.models import Job
from routing.budgets.models import Allowance
from routing.budgets.purses import close_ended
from routing.budgets.services import change_limit, create_allowance
from routing.decisions.models import Decision
from routing.live.loop import KIND
from routing.live.models import LiveRouting
from tests.annotation.test_ask_over_http import environment
from tests.attacks.test_budgets_hard_stop import off_the_books, overdrawn
from tests.endpoint.client import endpoint
from tests.factories import make_annotator
from tests.routing.live_scene import POUND, label, route, scene

pytestmark = [pytest.mark.django_db(transaction=True)]
# Micros, or labels times a million.
MOST_SAVED = 10**10
ROUTER = """
import sys
import django; django.setup()
from jobs.models import Job
from jobs.runner import run_queued
print("ready", flush=True)
sys.stdin.readline()
for pk in sys.argv[1:]:
    print(run_queued(Job.objects.get(pk=pk)).state, flush=True)
"""
BOOKS = """
SELECT 'place without money', slot.key::text FROM annotation_slot AS slot
WHERE slot.project_id = %(project)s AND slot.purpose = 'label' AND slot.state <> 'withdrawn'
  AND NOT EXISTS (SELECT 1 FROM annotation_entry AS entry
    WHERE entry.subject = 'slot:' || slot.key AND entry.state <> 'released')
UNION ALL
SELECT 'money without place', entry.subject FROM annotation_entry AS entry
JOIN annotation_budget AS budget ON budget.id = entry.budget_id
WHERE budget.project_id = %(project)s AND entry.subject LIKE 'slot:%%'
  AND entry.state IN ('reserved', 'unknown')
  AND NOT EXISTS (SELECT 1 FROM annotation_slot AS slot
    WHERE 'slot:' || slot.key = entry.subject AND slot.state IN ('open', 'leased'))
UNION ALL
SELECT 'two decisions', instance_id::text FROM routing_decision AS decision
WHERE decision.project_id = %(project)s AND decision.criterion_id IS NULL AND NOT EXISTS (
  SELECT 1 FROM routing_decision AS later WHERE later.supersedes_id = decision.id)
GROUP BY instance_id HAVING count(*) > 1
UNION ALL
SELECT 'decision without assignment', decision.id::text FROM routing_decision AS decision
WHERE decision.project_id = %(project)s AND NOT EXISTS (
  SELECT 1 FROM annotation_assignment AS assignment
  WHERE assignment.instance_id = decision.instance_id)
UNION ALL
SELECT 'audit arm not with both', assignment.id::text FROM annotation_assignment AS assignment
JOIN annotation_instance AS instance ON instance.id = assignment.instance_id
WHERE instance.project_id = %(project)s AND assignment.arm = 'audit'
  AND assignment.destination <> 'both'
"""


def wrong(project: Project) -> list[tuple[str, str]]:
    """What does not fit together, read in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(BOOKS, {"project": project.pk})
        return list(cursor.fetchall()) + [("overdrawn", name) for name in overdrawn(project)]


@contextmanager
def processes(*work: list[Job]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One process for each list of jobs; they begin together."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", ROUTER, *(str(job.pk) for job in mine)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for mine in work
    ]
    try:
        for each in started:
            assert each.stdout is not None
            assert each.stdout.readline() == b"ready\n"
        for each in started:
            assert each.stdin is not None
            each.stdin.write(b"\n")
            each.stdin.flush()
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def ticks(project: Project, count: int) -> list[Job]:
    """As if a lost worker lived on: jobs that do not know of each other."""
    Job.objects.filter(project=project, kind=KIND).update(state="cancelled")
    # What the sweep does with the judge's run of a lost worker.
    Job.objects.filter(project=project, state="running").update(state="queued", lease_until=None)
    return [
        jobs.submit(kind=KIND, project=project, arguments={"all": True}, unique_key=f"{uuid4()}")
        for _ in range(count)
    ]


@pytest.mark.parametrize("strategy", ["random", "judge-uncertainty"])
def test_two_ticks_at_once_decide_once(strategy: str) -> None:
    with endpoint() as server:
        project = scene(server, 120, strategy=strategy, audit_share=0.2, people_share=0.3)
        one, two, three = ticks(project, 3)
        with processes([one], [two], [three]) as running:
            while any(each.poll() is None for each in running):
                assert wrong(project) == []
                time.sleep(0.01)
        ended = set(Job.objects.filter(pk__in=[one.pk, two.pk, three.pk]).values_list("state"))
        assert ended == {("succeeded",)}
        route(project, everything=True)
    assert wrong(project) == []
    assert off_the_books(project) == []
    decided = Decision.objects.filter(project=project)
    mine = Assignment.objects.filter(instance__project=project)
    assert decided.count() == mine.count() == 120
    drawn_as_said(project)


def drawn_as_said(project: Project) -> None:
    """Arms by the hashes, and e by the formula of docs/live-routing.md, computed here again."""
    live = LiveRouting.objects.get(project=project)
    salt = str(project.protocol.salt)
    audit, explore = live.audit_share, live.explore_share
    seen = set()
    for row in Decision.objects.filter(project=project).select_related("instance"):
        key = row.instance.external_id
        audited = unit_interval(salt, "audit", key) < audit
        assert (row.arm == Arm.AUDIT) == audited
        assert 0 < row.propensity <= 1
        x = explore
        low = audit + (1 - audit) * x
        pi = (row.propensity - low) / ((1 - audit) * (1 - x))
        assert -1e-9 <= pi <= 1 + 1e-9
        seen.add(round(pi, 6))
    assert seen


def people_at_work(project: Project, person: Annotator, chance: random.Random) -> str:
    """One of the things a person does: take a place, give it back, label, take back."""
    held = Slot.objects.filter(annotator=person, state="leased").first()
    slot = held or claim(project=project, annotator=person)
    if slot is None:
        return "nothing to do"
    if chance.random() < 0.2:
        release(slot=slot, annotator=person)
        return "given back"
    label(slot, person)
    if chance.random() < 0.3:
        undo(annotator=person, project=project)
        return "taken back"
    return "labelled"


def somebody_saves(allowance: Allowance, chance: random.Random) -> str:
    now = Allowance.objects.get(pk=allowance.pk)
    # However often it is raised: not to where no limit may lie.
    limit = min(MOST_SAVED, round(now.limit * chance.uniform(0.7, 1.4)))
    try:
        change_limit(allowance=now, limit=limit, version=now.version, by=None)
    except ApplicationError as error:
        assert "minimum" in error.extra  # noqa: PT017 - any other refusal is a fault
        return "refused"
    return "saved"


def test_killed_anywhere_while_people_work_and_admins_save() -> None:
    chance = random.Random(5)
    seen: Counter[str] = Counter()
    with endpoint() as server:
        project = scene(
            server,
            140,
            money=150 * POUND,
            strategy="random",
            mode="batch",
            batch_size=20,
            audit_share=0.1,
            people_share=0.5,
        )
        limits = [
            Allowance.objects.get(project=project),
            create_allowance(
                project=project, name="day", unit="labels", limit=900 * POUND, period="day", by=None
            ),
        ]
        person = make_annotator(project, qualifications=[])
        for _ in range(3):
            (job,) = ticks(project, 1)
            with processes([job]) as (running,):
                began = Decision.objects.count()
                end = time.monotonic() + 12
                # Killed a moment after it wrote something, so in the midst of what comes next.
                while Decision.objects.count() == began and time.monotonic() < end:
                    look(project, person, limits, chance, seen)
                moment = time.monotonic() + chance.uniform(0, 0.4)
                while time.monotonic() < moment:
                    look(project, person, limits, chance, seen)
                seen["killed"] += running.poll() is None
                running.send_signal(signal.SIGKILL)
        for each in limits:
            now = Allowance.objects.get(pk=each.pk)
            change_limit(allowance=now, limit=MOST_SAVED, version=now.version, by=None)
        Job.objects.filter(project=project).exclude(state="succeeded").update(state="cancelled")
        JudgeRun.objects.exclude(state="done").update(state="cancelled")
        close_ended()
        route(project, everything=True)
    assert not project.instances.filter(assignment__isnull=True).exists()
    assert seen["killed"]
    assert min(seen["labelled"], seen["taken back"], seen["saved"]) > 0, seen
    assert wrong(project) == []
    assert off_the_books(project) == []


def look(
    project: Project,
    person: Annotator,
    limits: list[Allowance],
    chance: random.Random,
    seen: Counter[str],
) -> None:
    seen[people_at_work(project, person, chance)] += 1
    seen[somebody_saves(chance.choice(limits), chance)] += 1
    assert wrong(project) == []
