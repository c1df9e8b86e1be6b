"""Budgets of judges under kills, races and providers that bill what they like."""

import os
import random
import signal
import time
from typing import Any

import pytest
from django.db import connection

from annotation.judges.models import CallState, Connection, JudgeCall, JudgeRun, Provider, RunState
from annotation.judges.providers.chat import chat_of
from annotation.ledger.models import Budget
from annotation.ledger.selectors import state
from annotation.ledger.services import create_budget
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.models import Job
from tests.annotation.judge_scene import (
    POUND,
    PRICE,
    begin,
    connect,
    finish,
    job_of,
    make_budget,
    make_judge,
    plant,
    scene,
)
from tests.annotation.raw_server import response, serving
from tests.annotation.test_judge_providers_wire import chat_reply
from tests.annotation.test_judge_runs import elsewhere, until
from tests.endpoint.client import endpoint
from tests.endpoint.options import evenly
from tests.factories import make_project

LIMIT = 260 * PRICE


def within(budget: Budget) -> None:
    now = state(budget)
    assert now.settled + now.reserved + now.unknown <= now.limit
    assert min(now.settled, now.reserved, now.unknown) >= 0


def come_back(run: JudgeRun) -> None:
    """What the sweep does when a worker is gone for good."""
    Job.objects.filter(pk=job_of(run)).update(lease_until="2000-01-01T00:00:00Z")
    jobs.sweep()


@pytest.mark.django_db(transaction=True)
def test_kills_at_any_moment_never_overdraw_a_shared_budget_nor_lose_a_call() -> None:
    chance = random.Random(7)
    with endpoint(latency=0.03, errors=evenly(0.1), retry_after=0.1, hang=1.0) as server:
        project = make_project()
        plant(project, 70)
        here = connect(project, server, timeout_seconds=1, attempts=3)
        budget = make_budget(project, LIMIT)
        # Two seeds: two questions.
        judges = [make_judge(here, name, parameters={"seed": len(name)}) for name in ("a", "two")]
        runs = [begin(judge, budget) for judge in judges]
        for _ in range(3):
            _kill_within(runs, budget, chance.uniform(0.2, 1.2))
        for run in runs:
            finish(run)
            within(budget)
        bill = server.bill()
    money = state(budget)
    unknown = JudgeCall.objects.filter(state=CallState.UNKNOWN).count()
    assert money.reserved == money.debt == 0
    assert money.unknown == unknown * PRICE
    assert bill["bought_again"] == 0
    assert 0 <= (money.settled + money.unknown) // PRICE - bill["calls"] <= unknown
    paid = JudgeCall.objects.filter(state__in=(CallState.ANSWERED, CallState.UNPARSABLE))
    assert money.settled == paid.count() * PRICE
    assert not JudgeCall.objects.filter(state=CallState.IN_FLIGHT).exists()


def _kill_within(runs: list[JudgeRun], budget: Budget, seconds: float) -> None:
    """Both runs in processes of their own, killed after so long while they ask."""
    begun = JudgeCall.objects.count()
    with elsewhere(runs[0]) as first, elsewhere(runs[1]) as second:
        until(lambda: JudgeCall.objects.count() > begun or first.poll() is not None)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            within(budget)
            time.sleep(0.01)
        for process in (first, second):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
    for run in runs:
        come_back(run)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_was_only_asleep_buys_nothing_after_another_took_its_job() -> None:
    with endpoint(latency=0.05) as server:
        judge, budget = scene(server, 120, concurrency=8)
        run = begin(judge, budget)
        with elsewhere(run) as asleep:
            until(lambda: server.bill()["calls"] >= 40)
            os.kill(asleep.pid, signal.SIGSTOP)
            come_back(run)
            with elsewhere(run) as awake:
                time.sleep(2)
                os.kill(asleep.pid, signal.SIGCONT)
                awake.wait(90)
                asleep.wait(90)
        bill = server.bill()
    run.refresh_from_db()
    assert run.state == RunState.FINISHED
    assert bill["bought_again"] == 0
    money = state(budget)
    unknown = JudgeCall.objects.filter(state=CallState.UNKNOWN).count()
    assert money.reserved == 0
    assert 0 <= (money.settled + money.unknown) // PRICE - bill["calls"] <= unknown


@pytest.mark.django_db(transaction=True)
def test_a_budget_lowered_while_judges_ask_is_obeyed() -> None:
    with endpoint(latency=0.05) as server:
        judge, budget = scene(server, 150, concurrency=8)
        run = begin(judge, budget)
        with elsewhere(run) as process:
            until(lambda: server.bill()["calls"] >= 60)
            _lower(budget)
            process.wait(60)
    run.refresh_from_db()
    within(budget)
    money = state(budget)
    assert run.state == RunState.STOPPED
    assert money.free < PRICE
    assert money.settled <= money.limit


def _lower(budget: Budget) -> None:
    """To what is spent or set aside, and a little; the database refuses less."""
    with connection.cursor() as cursor:
        cursor.execute(
            'UPDATE annotation_budget SET "limit" = settled + reserved + unknown + %s'
            " WHERE id = %s",
            [10 * PRICE, budget.pk],
        )


@pytest.mark.django_db
@pytest.mark.parametrize("tokens", [10**6, 2**63])
def test_an_endpoint_that_bills_more_than_it_can_ends_the_run(tokens: int) -> None:
    """What is owed beyond what was set aside counts against the budget like everything else."""
    project = make_project()
    plant(project, 40)
    usage = {"prompt_tokens": tokens, "completion_tokens": tokens}
    with serving(response(200, {**chat_reply("A"), "usage": usage})) as server:
        here = Connection.objects.create(
            project=project,
            name="odd",
            provider=Provider.OPENAI,
            base_url=server.url,
            concurrency=1,
        )
        prices = {"price_per_1k_input_micros": 1000, "price_per_1k_output_micros": 1000}
        budget = make_budget(project, 5 * POUND)
        run = finish(begin(make_judge(here, prices=prices), budget))
        asked = len(server.heads)
    within(budget)
    money = state(budget)
    assert run.state == RunState.STOPPED
    assert asked <= 4
    assert run.spent_micros == money.settled + money.debt
    assert money.free == 0


@pytest.mark.parametrize(
    "parameters", [{"n": 100}, {"stream": True}, {"max_completion_tokens": 10**6}, {"messages": []}]
)
def test_no_parameter_makes_a_call_dearer_than_what_is_set_aside(parameters: Any) -> None:
    here = Connection(provider=Provider.OPENAI, base_url="https://models.example/v1")
    with pytest.raises(InvalidInput, match="not a judge's to set"):
        chat_of(here, "m", parameters)


@pytest.mark.django_db
def test_the_budget_of_another_project_pays_for_nothing() -> None:
    with endpoint() as server:
        judge, _ = scene(server, 2)
        other = create_budget(project=make_project(), name="x", limit_micros=10**9)
        with pytest.raises(InvalidInput, match="budget of this project"):
            begin(judge, other)
    assert not JudgeRun.objects.exists()
