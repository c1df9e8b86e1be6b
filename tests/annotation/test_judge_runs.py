"""Runs of judges against a real endpoint: labels, money, limits, and every way it can end."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.conf import settings as project_settings
from django.db import connection

from annotation.judges.models import CallState, Connection, JudgeCall, JudgeRun, RunState, Stage
from annotation.judges.running import session
from annotation.judges.running.policy import Policy
from annotation.judges.runs import run_progress, start_run
from annotation.labels.models import Annotation
from annotation.ledger.selectors import state
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.models import Job, State
from tests.annotation.judge_scene import (
    PRICE,
    begin,
    connect,
    finish,
    job_of,
    make_budget,
    make_judge,
    plant,
    preferred,
    scene,
)
from tests.endpoint.client import endpoint
from tests.endpoint.options import Options
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def test_a_run_labels_everything_and_pays_what_the_endpoint_charged() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 40)
        run = finish(begin(judge, budget))
        bill = server.bill()
    assert (run.state, run.stop_reason) == (RunState.FINISHED, "")
    labels = dict(Annotation.objects.values_list("instance", "ranking"))
    assert labels == preferred(labels)
    assert len(labels) == run.counts["answered"] == 40
    assert bill["calls"] == run.calls == 80
    money = state(budget)
    assert (money.settled, money.reserved, money.unknown) == (80 * PRICE, 0, 0)
    assert run.spent_micros == run.projected_micros == 80 * PRICE
    progress = run_progress(run)
    assert (progress.done, progress.total, progress.percent) == (40, 40, 100)
    assert JudgeCall.objects.filter(run=run, state=CallState.ANSWERED).count() == 80
    assert run.job is not None
    run.job.refresh_from_db()
    assert (run.job.state, run.job.done) == (State.SUCCEEDED, 40)


def test_what_is_stored_is_not_bought_again() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 10)
        finish(begin(judge, budget))
        again = finish(begin(judge, budget))
        bill = server.bill()
    assert (again.state, again.counts["answered"], again.calls) == (RunState.FINISHED, 10, 0)
    assert (bill["calls"], bill["bought_again"]) == (20, 0)
    assert Annotation.objects.count() == 10


def test_several_criteria_are_asked_about_each_instance() -> None:
    from annotation.projects.models import Criterion

    with endpoint() as server:
        judge, budget = scene(server, 6)
        Criterion.objects.create(
            project=judge.project, key="clarity", name="Clarity", question="Which is clearer?"
        )
        run = finish(begin(judge, budget, criteria=["overall", "clarity"]))
    assert (run.total, run.counts["answered"], run.calls) == (12, 12, 24)
    assert Annotation.objects.filter(criterion__key="clarity").count() == 6


def test_a_trial_and_a_draft_label_nothing() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 5)
        judge.stage = Stage.DRAFT
        judge.save()
        with pytest.raises(InvalidInput, match="draft"):
            begin(judge, budget)
        run = finish(begin(judge, budget, trial=True))
        assert (run.counts["answered"], Annotation.objects.count()) == (5, 0)
        judge.stage = Stage.ACTIVE
        judge.save()
        promoted = finish(begin(judge, budget))
        assert server.bill()["calls"] == 10
    assert (promoted.calls, Annotation.objects.count()) == (0, 5)


def test_what_cannot_be_asked_is_refused_before_anything_is_written() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 2)
    other = make_budget(make_project())
    for change, values, words in (
        ({"stage": Stage.RETIRED}, {}, "retired"),
        ({"price_known": False}, {}, "prices"),
        ({}, {"budget": None}, "budget that pays"),
        ({}, {"budget": other}, "budget of this project"),
        ({}, {"batch": True}, "batch endpoint"),
        ({}, {"criteria": ["beauty"]}, "criteria"),
        ({}, {"selection": {"of": "tag", "tag": "none"}}, "nothing to ask"),
    ):
        fresh = type(judge).objects.get(pk=judge.pk)
        for name, value in change.items():
            setattr(fresh, name, value)
        asked = {"criteria": ["overall"], "selection": {"of": "all"}, "budget": budget} | values
        with pytest.raises(InvalidInput, match=words):
            start_run(judge=fresh, **asked)  # type: ignore[arg-type]
    assert not JudgeRun.objects.exists()
    assert not Job.objects.filter(kind="judges.run").exists()
    begin(judge, budget)
    with pytest.raises(Conflict):
        begin(judge, budget)


def test_a_budget_that_is_used_up_stops_the_run_and_keeps_what_was_paid() -> None:
    with endpoint(latency=0.01) as server:
        judge, budget = scene(server, 30, concurrency=8)
        type(budget).objects.filter(pk=budget.pk).update(limit=21 * PRICE + 50)
        run = finish(begin(judge, budget))
        assert server.bill()["calls"] == 21
        assert (run.state, run.calls, run.spent_micros) == (RunState.STOPPED, 21, 21 * PRICE)
        assert "lacks" in run.stop_reason
        assert run.job is not None
        assert Job.objects.get(pk=run.job.pk).state == State.SUCCEEDED
        money = state(budget)
        assert (money.settled, money.reserved, money.unknown) == (21 * PRICE, 0, 0)
        assert Annotation.objects.count() == run.counts["answered"] == 10
        type(budget).objects.filter(pk=budget.pk).update(limit=60 * PRICE)
        again = finish(begin(judge, budget))
        bill = server.bill()
    assert (again.state, again.counts["answered"]) == (RunState.FINISHED, 30)
    assert (bill["calls"], bill["bought_again"]) == (60, 0)


def test_retry_after_is_obeyed_by_the_whole_connection() -> None:
    for form in ("seconds", "date"):
        options = Options(errors={"429": 0.02}, retry_after=1.0, retry_after_form=form, seed=form)
        with endpoint(options) as server:
            judge, budget = scene(server, 40, concurrency=4)
            run = finish(begin(judge, budget))
            arrivals, kinds = server.arrivals(), server.bill()["kinds"]
        assert run.counts["answered"] == 40
        assert kinds["429"] >= 1
        # A date has whole seconds: it may be almost one second less.
        gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
        assert max(gaps) > (0.9 if form == "seconds" else 0.0)
        kept = Connection.objects.get(project=judge.project).requests_at
        assert kept is not None


def test_requests_a_minute_are_kept() -> None:
    with endpoint(requests_per_minute=1200, burst=20) as server:
        judge, budget = scene(server, 30, concurrency=16, requests_per_minute=1200)
        run = finish(begin(judge, budget))
        kinds = server.bill()["kinds"]
    assert run.counts["answered"] == 30
    assert "limited" not in kinds


def test_tokens_a_minute_are_kept_and_what_was_not_used_is_given_back() -> None:
    with endpoint() as server:
        judge, budget = scene(server, 10, concurrency=4, tokens_per_minute=60_000)
        run = finish(begin(judge, budget))
        arrivals = server.arrivals()
        used = sum(server.bill()[name] for name in ("input_tokens", "output_tokens"))
    assert run.counts["answered"] == 10
    # So many tokens take so many milliseconds each at 1000 a second.
    assert arrivals[-1] - arrivals[0] >= 0.7 * used / 1000


def test_an_endpoint_that_is_down_is_probed_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def hurried(judge: object, sources: object) -> Policy:
        return replace(patient(judge, sources), rest=0.2, attempts=50)  # type: ignore[arg-type]

    patient = session.policy_of
    monkeypatch.setattr(session, "policy_of", hurried)
    with endpoint(errors={"503": 1.0}, retry_after=None) as server:
        judge, budget = scene(server, 20, concurrency=4)
        monkeypatch.setattr(session, "policy_of", lambda *a: replace(hurried(*a), patience=1.0))
        run = finish(begin(judge, budget))
        assert run.state == RunState.STOPPED
        assert "no answer for 1 s" in run.stop_reason
        assert 10 <= server.bill()["kinds"]["503"] < 25
        assert state(budget).free == budget.limit
        server.change(Options())
        again = finish(begin(judge, budget))
    assert (again.state, again.counts["answered"]) == (RunState.FINISHED, 20)


def test_a_key_that_is_refused_stops_the_run_instead_of_failing_everything() -> None:
    with endpoint(keys=("right",)) as server:
        judge, budget = scene(server, 100, concurrency=4)
        run = finish(begin(judge, budget))
        refused = server.bill()["kinds"]["401"]
    assert run.state == RunState.STOPPED
    assert "refused" in run.stop_reason
    assert refused < 20
    assert state(budget).free == budget.limit


def test_an_idempotent_endpoint_is_asked_again_with_the_same_key() -> None:
    options = Options(errors={"half-reply": 0.3}, idempotent=True, seed="again")
    with endpoint(options) as server:
        judge, budget = scene(server, 10, idempotent=True, attempts=10)
        run = finish(begin(judge, budget))
        bill = server.bill()
    assert (run.counts["answered"], run.counts["unknown"]) == (10, 0)
    assert bill["repeated"] > 0
    money = state(budget)
    assert (money.settled, money.unknown) == (bill["calls"] * PRICE, 0)


def test_unknown_calls_are_asked_again_only_on_request() -> None:
    with endpoint(errors={"half-reply": 1.0}) as server:
        judge, budget = scene(server, 3)
        finish(begin(judge, budget))
        charged = state(budget).unknown
        assert charged == 6 * PRICE
        server.change(Options())
        silent = finish(begin(judge, budget))
        assert (silent.counts["unknown"], server.bill()["calls"]) == (3, 6)
        asked = finish(begin(judge, budget, retry_unknown=True))
        bill = server.bill()
    assert asked.counts["answered"] == 3
    money = state(budget)
    assert (money.unknown, money.settled) == (charged, 6 * PRICE)
    assert bill["calls"] == 12


ASK = """
import django, sys; django.setup()
from jobs.runner import run
run(int(sys.argv[1]), owner="elsewhere")
"""


@contextmanager
def elsewhere(run: JudgeRun) -> Iterator[subprocess.Popen[bytes]]:
    """The run's job in a process of its own, on the test's database."""
    values = connection.settings_dict
    host, port, user = values["HOST"], values["PORT"] or 5432, values["USER"]
    root = project_settings.BASE_DIR
    environment = os.environ | {
        "DATABASE_URL": f"postgres:///{values['NAME']}?host={host}&port={port}&user={user}",
        "DJANGO_SETTINGS_MODULE": "config.settings_test",
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'platform'}",
    }
    process = subprocess.Popen([sys.executable, "-c", ASK, str(run.job_id)], env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        assert process.wait(90) == 0


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_goes_on_and_buys_nothing_again() -> None:
    with endpoint(latency=0.05) as server:
        judge, budget = scene(server, 150, concurrency=16)
        run = begin(judge, budget)
        with elsewhere(run) as process:
            until(lambda: server.bill()["calls"] >= 150)
            os.kill(process.pid, signal.SIGKILL)
        Job.objects.filter(pk=job_of(run)).update(lease_until="2000-01-01T00:00:00Z")
        jobs.sweep()
        finish(run)
        bill = server.bill()
    run.refresh_from_db()
    unknown = JudgeCall.objects.filter(state=CallState.UNKNOWN)
    assert run.state == RunState.FINISHED
    assert bill["bought_again"] == 0
    assert 0 < unknown.count() <= 16 + 2  # in flight, and handed over ahead
    assert set(unknown.values_list("failure", flat=True)) == {"lost"}
    # A call may have been written and not have arrived: charged more than billed, never less.
    money = state(budget)
    assert money.reserved == 0
    assert 0 <= (money.settled + money.unknown) / PRICE - bill["calls"] <= unknown.count()
    labelled = run.counts["answered"]
    assert labelled + run.counts["unknown"] == 150
    assert Annotation.objects.count() == labelled


@pytest.mark.django_db(transaction=True)
def test_a_run_that_goes_on_counts_what_it_labelled_before() -> None:
    with endpoint(latency=0.3) as server:
        judge, budget = scene(server, 100, concurrency=16)
        run = begin(judge, budget, selection={"of": "unlabelled"})
        with elsewhere(run) as process:
            until(Annotation.objects.exists)
            os.kill(process.pid, signal.SIGKILL)
        labelled = Annotation.objects.count()
        Job.objects.filter(pk=job_of(run)).update(lease_until="2000-01-01T00:00:00Z")
        jobs.sweep()
        finish(run)
    run.refresh_from_db()
    assert 0 < labelled < 100
    assert (run.total, run.counts["answered"]) == (100, Annotation.objects.count())
    progress = run_progress(run)
    assert (progress.done, progress.percent) == (100, 100)
    assert run.job is not None
    run.job.refresh_from_db()
    assert (run.job.done, run.job.total) == (100, 100)


@pytest.mark.django_db(transaction=True)
def test_two_processes_share_the_limit_of_a_connection() -> None:
    with endpoint(requests_per_minute=1200, burst=30) as server:
        project = make_project()
        plant(project, 40)
        both = connect(project, server, requests_per_minute=1200)
        budget = make_budget(project)
        runs = [begin(make_judge(both, name), budget) for name in ("one", "two")]
        with elsewhere(runs[0]) as first, elsewhere(runs[1]) as second:
            ended(first, second)
        bill = server.bill()
    # 160 calls at 20 a second: each process alone on its own would be twice as fast.
    assert (bill["calls"], "limited" in bill["kinds"]) == (160, False)
    for run in runs:
        run.refresh_from_db()
        assert run.counts["answered"] == 40


@pytest.mark.django_db(transaction=True)
def test_two_runs_never_overdraw_the_budget_they_share() -> None:
    with endpoint(latency=0.02) as server:
        project = make_project()
        plant(project, 100)
        here = connect(project, server)
        budget = make_budget(project, 150 * PRICE)
        runs = [begin(make_judge(here, name), budget) for name in ("one", "two")]
        with elsewhere(runs[0]) as first, elsewhere(runs[1]) as second:
            ended(first, second)
        bill = server.bill()
    for run in runs:
        run.refresh_from_db()
        assert run.state == RunState.STOPPED
    money = state(budget)
    assert (money.settled, money.reserved, money.unknown, money.debt) == (150 * PRICE, 0, 0, 0)
    assert bill["calls"] == sum(run.calls for run in runs) == 150


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_run_keeps_what_was_paid() -> None:
    with endpoint(latency=0.3) as server:
        judge, budget = scene(server, 200, concurrency=8)
        run = begin(judge, budget)
        with elsewhere(run) as process:
            until(lambda: server.bill()["calls"] >= 24)
            assert run.job is not None
            jobs.cancel(job=run.job)
            ended(process)
        bill = server.bill()
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    assert Job.objects.get(pk=job_of(run)).state == State.CANCELLED
    answered = JudgeCall.objects.filter(state=CallState.ANSWERED).count()
    assert answered == bill["calls"] < 400
    money = state(budget)
    assert (money.settled, money.reserved, money.unknown) == (answered * PRICE, 0, 0)
    assert Annotation.objects.count() == run.counts["answered"] >= answered // 2 - 8
