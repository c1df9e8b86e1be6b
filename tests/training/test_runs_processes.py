"""A run in several processes, as its job starts them: the same figures, and none that stays."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from jobs.models import Job
from jobs.runner import run as run_job
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot
from training.runs import services
from training.runs.models import Metric, Run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

TWO = {"processes": 2, "device": "cpu", "accumulate": 4}
PATIENCE_SECONDS = 300  # a limit for failures, on the busiest machine


def start(**options: Any) -> Run:
    project = make_project()
    return services.start_run(
        project=project, kind="reward", snapshot=make_snapshot(project), options=OPTIONS | options
    )


def losses(run: Run) -> list[float]:
    rows = Metric.objects.filter(run=run, split="train").order_by("step")
    return [values["loss"] for values in rows.values_list("values", flat=True)]


def job_of(run: Run) -> Job:
    run.refresh_from_db()
    assert run.job is not None
    run.job.refresh_from_db()
    return run.job


def trainers(run: Run) -> list[int]:
    """Processes whose command line names the run's folder, its launcher among them."""
    folder = str(services.workdir_of(run)).encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if folder in command.split(b"\0"):
            found.append(int(path.parent.name))
    return found


def wait_until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def begin(run: Run) -> threading.Thread:
    """The job of the run in a thread of its own."""
    assert run.job is not None
    number = run.job.pk

    def work() -> None:
        run_job(number, owner="test", heartbeat=False)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_two_processes_reach_what_one_reaches() -> None:
    alone, together = start(device="cpu", accumulate=4), start(**TWO)
    for run in (alone, together):
        run_job(job_of(run).pk, owner="test", heartbeat=False)
        assert job_of(run).error == ""
    assert len(losses(together)) == 6
    assert losses(together) == pytest.approx(losses(alone), abs=1e-4)
    assert together.report["steps"] == 6


def test_a_cancel_reaches_every_process_and_the_run_goes_on_from_its_checkpoint() -> None:
    run = start(**TWO, steps=2000, checkpoint_every=5000, eval_every=2000)
    thread = begin(run)
    wait_until(lambda: Metric.objects.filter(run=run).count() > 3, "both have taken some steps")
    assert len(trainers(run)) == 3
    services.cancel_run(run=run, actor=None)
    thread.join(PATIENCE_SECONDS)
    assert job_of(run).state == "cancelled"
    wait_until(lambda: not trainers(run), "every process has ended")
    [folder] = (services.workdir_of(run) / "checkpoints").glob("step-*")
    stopped = int(folder.name.removeprefix("step-"))
    steps = Metric.objects.filter(run=run, split="train").values_list("step", flat=True)
    assert list(steps) == list(range(1, stopped + 1))


@pytest.mark.parametrize("victim", ["launcher", "trainer"])
def test_no_process_stays_where_one_is_killed(victim: str) -> None:
    run = start(**TWO, steps=5000, eval_every=5000)
    thread = begin(run)
    wait_until(lambda: Metric.objects.filter(run=run).count() > 3, "both have taken some steps")
    job = job_of(run)
    known = json.loads((settings.VAR_DIR / "jobs" / str(job.pk) / "process.json").read_text())
    pids = {"launcher": known["pid"], "trainer": max(set(trainers(run)) - {known["pid"]})}
    os.kill(pids[victim], signal.SIGKILL)
    thread.join(PATIENCE_SECONDS)
    job = job_of(run)
    assert job.state == "failed"
    assert "memory ran out" in job.error
    wait_until(lambda: not trainers(run), "every process has ended")
