"""Many buyers on overlapping budgets, killed at any moment: no window ever gives more than it has.

Real processes on the test's database. Each sets aside, settles and releases at random until it is
told to stop or killed; limits are changed and the period turns meanwhile.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from accounts.models import Project
from annotation.ledger.models import Budget, Entry
from annotation.ledger.services import settle_subject
from core.exceptions import ApplicationError
from routing.budgets.models import Allowance, Window
from routing.budgets.purses import close_ended
from routing.budgets.services import change_limit
from routing.budgets.spending import free, release_purchases
from tests.annotation.test_ask_over_http import environment
from tests.factories import make_project
from tests.routing.budget_scene import ONE, allow, free_judge

pytestmark = [pytest.mark.django_db(transaction=True)]
BUYER = """
import random, sys, uuid
import django; django.setup()
from accounts.models import Project
from annotation.judges.models import Judge
from annotation.ledger import services as ledger
from core.exceptions import BudgetExceeded
from routing.budgets.spending import *
chance = random.Random(int(sys.argv[2]))
project = Project.objects.get(pk=sys.argv[1])
judge = Judge.objects.get(project=project)
mine = []
def buy():
    spender = chance.choice(["regular", "expert", "judges"])
    wanted = [
        Purchase(f"slot:{uuid.uuid4()}", spender, chance.randint(0, 2_000_000),
                 minutes=chance.randint(0, 3_000_000))
        for _ in range(chance.randint(1, 5))
    ]
    reserve_purchases(project=project, purchases=wanted)
    mine.extend(each.subject for each in wanted)
def pay():
    ledger.settle_subject(project=project, subject=mine.pop(chance.randrange(len(mine))),
                          seconds=chance.uniform(0, 300))
def give_back():
    some = [mine.pop() for _ in range(min(len(mine), chance.randint(1, 4)))]
    release_purchases(project=project, subjects=some)
def ask():
    budget = purse(project=project, name=str(uuid.uuid4()), amount=1_000_000, judge=judge, labels=2)
    ledger.reserve(budget=budget, subject="call", amount=400_000)
    if chance.random() < 0.5:
        ledger.settle_many(budget=budget, amounts={"call": 300_000})
    else:
        ledger.mark_unknown_many(budget=budget, subjects=["call"])
    close_purse(budget)
print("ready", flush=True)
bought = 0
while True:
    act = chance.choice([buy, buy, ask] + ([pay, pay, give_back] if mine else []))
    try:
        act()
        bought += act is buy
    except BudgetExceeded:
        pass
"""


@contextmanager
def buyers(project: Project, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that buy, once all of them have begun."""
    command = [sys.executable, "-c", BUYER, str(project.pk)]
    processes = [
        subprocess.Popen([*command, str(n)], env=environment(), stdout=subprocess.PIPE)
        for n in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def overdrawn(project: Project) -> list[str]:
    """Budgets of the project that gave more than they have, read in one statement."""
    rows = Budget.objects.filter(project=project).values_list(
        "name", "limit", "settled", "reserved", "unknown"
    )
    return [
        name
        for name, limit, settled, reserved, unknown in rows
        if settled + reserved + unknown > limit or min(settled, reserved, unknown) < 0
    ]


def off_the_books(project: Project) -> list[str]:
    """Budgets whose amounts are not the sum of their entries."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
SELECT budget.name FROM annotation_budget AS budget
LEFT JOIN annotation_entry AS entry ON entry.budget_id = budget.id
WHERE budget.project_id = %s GROUP BY budget.id
HAVING (budget.settled, budget.reserved, budget.unknown, budget.debt) IS DISTINCT FROM (
  coalesce(sum(entry.settled) FILTER (WHERE entry.state = 'settled'), 0)::bigint,
  coalesce(sum(entry.reserved) FILTER (WHERE entry.state = 'reserved'), 0)::bigint,
  coalesce(sum(entry.reserved) FILTER (WHERE entry.state = 'unknown'), 0)::bigint,
  coalesce(sum(entry.debt) FILTER (WHERE entry.state = 'settled'), 0)::bigint)
""",
            [project.pk],
        )
        return [name for (name,) in cursor.fetchall()]


def held_in_part(project: Project) -> list[str]:
    """Purchases that one window holds and another one, opened before, does not."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
SELECT entry.subject FROM annotation_entry AS entry
JOIN annotation_budget AS budget ON budget.id = entry.budget_id
JOIN routing_window AS w ON w.budget_id = budget.id
WHERE budget.project_id = %s
GROUP BY entry.subject HAVING count(DISTINCT entry.state) > 1
""",
            [project.pk],
        )
        return [subject for (subject,) in cursor.fetchall()]


def scene() -> tuple[Project, list[Allowance]]:
    project = make_project()
    free_judge(project)
    return project, [
        allow(project, "all", 60),
        allow(project, "labels", 90, unit="labels", period="week"),
        allow(project, "minutes", 150, unit="minutes", period="month"),
        allow(project, "people", 40, spender="people", period="day"),
        allow(project, "experts", 15, spender="expert"),
        allow(project, "judges", 20, spender="judges", period="day"),
    ]


def raise_or_lower(allowances: list[Allowance], chance: random.Random) -> None:
    """As an admin would: refused below what is out, and where somebody else was first."""
    allowance = Allowance.objects.get(pk=chance.choice(allowances).pk)
    limit = round(allowance.limit * chance.uniform(0.5, 1.6))
    try:
        change_limit(allowance=allowance, limit=limit, version=allowance.version, by=None)
    except ApplicationError as error:
        assert "minimum" in error.extra  # noqa: PT017 - any other refusal is a fault


def test_no_window_is_overdrawn_by_buyers_who_are_killed_at_random() -> None:
    project, allowances = scene()
    chance, killed, samples = random.Random(11), 0, 0
    with buyers(project, 5) as running:
        end = time.monotonic() + 12
        # A slow machine takes longer to come to the third kill.
        while time.monotonic() < end or killed < 3:
            assert overdrawn(project) == []
            samples += 1
            if samples % 5 == 0:
                raise_or_lower(allowances, chance)
            if samples % 40 == 0 and killed < 3:
                running[killed].send_signal(signal.SIGKILL)
                killed += 1
            time.sleep(0.02)
        # Nobody fell into a deadlock or another fault: who was not killed still buys.
        assert [process.poll() for process in running[killed:]] == [None] * (5 - killed)
    assert killed == 3
    assert overdrawn(project) == off_the_books(project) == held_in_part(project) == []
    assert Entry.objects.filter(budget__project=project, state="settled").count() > 50


def test_what_killed_buyers_left_open_can_be_settled_or_released_everywhere() -> None:
    project, _ = scene()
    open_now = Entry.objects.filter(
        budget__project=project, budget__allowance_window__isnull=False, state="reserved"
    )
    with buyers(project, 3) as running:
        # Until enough is set aside that some of it is still open when the last one is dead.
        while open_now.filter(subject__startswith="slot:").count() < 6:
            time.sleep(0.02)
        for process in running:
            process.send_signal(signal.SIGKILL)
    slots = sorted(
        set(open_now.filter(subject__startswith="slot:").values_list("subject", flat=True))
    )
    assert slots
    half = len(slots) // 2
    for subject in slots[:half]:
        settle_subject(project=project, subject=subject)
    release_purchases(project=project, subjects=slots[half:])
    # A purse between its making and its closing: no run was ever begun from it.
    _make_old()
    close_ended()
    assert not open_now.filter(subject__startswith="slot:").exists()
    assert overdrawn(project) == off_the_books(project) == []
    now = {each.allowance.name: each for each in free(project)}
    assert now["all"].committed == sum(
        Window.objects.get(allowance__name=name).budget.settled for name in ("people", "judges")
    ) + sum(each.reserved for each in open_now.filter(budget__name__startswith="all"))
    assert now["all"].limit == 60 * ONE


def _make_old() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE routing_purse SET created_at = created_at - interval '1 day'")
