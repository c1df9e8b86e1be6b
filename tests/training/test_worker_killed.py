"""A worker killed with SIGKILL in the middle of training: another resumes from the checkpoint."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from embedded.binaries import find_redis
from jobs.models import Job, LogLine
from jobs.runner import run as run_job
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot
from training.registry.models import ModelVersion
from training.runs import services
from training.runs.models import Metric, Run

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

STEPS = 60
CHECKPOINT_EVERY = 25
HOLDING = Path(__file__).parent / "holding"
PATIENCE_SECONDS = 300  # a limit for failures, on the busiest machine


@pytest.fixture
def broker() -> Iterator[str]:
    """A Redis of our own; the folder is short because a socket's path must be."""
    folder = Path(tempfile.mkdtemp(prefix="tandem-redis-", dir="/tmp"))
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([str(find_redis("auto").path), *options], stdout=subprocess.DEVNULL)
    try:
        wait_until(socket.exists, "Redis answers")
        yield f"redis+socket://{socket}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


class Worker:
    """A Celery worker for both queues, with the clock that sweeps every second."""

    def __init__(self, broker: str, folder: Path, number: int) -> None:
        self.log = folder / f"worker-{number}.log"
        options = ["worker", "-B", "-Q", "default,gpu", "-c", "2", "-n", f"{number}@test"]
        schedule = ["-s", str(folder / f"beat-{number}"), "--without-mingle", "-l", "INFO"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "config", *options, *schedule],
                env=worker_environment(broker, folder),
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL for the worker, its pool and its clock."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start_worker(broker: str, tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    workers: list[Worker] = []

    def start() -> Worker:
        workers.append(Worker(broker, tmp_path, len(workers)))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


def worker_environment(broker: str, folder: Path) -> dict[str, str]:
    database = connection.settings_dict
    base = settings.BASE_DIR
    place = f"host={database['HOST']}&port={database['PORT']}&user={database['USER']}"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, (HOLDING, base, base / "platform"))),
        "HOME": str(folder),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": f"postgres:///{database['NAME']}?{place}",
        "BROKER_URL": broker,
        "TANDEM_VAR": str(folder),
        "TRAINING_THREADS": "1",
        "JOBS_LEASE_SECONDS": "2",
        "JOBS_SWEEP_SECONDS": "1",
    }


def wait_until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def never_ending(workdir: Path) -> Iterator[None]:
    """No training in that folder ends before the block does, see `holding`."""
    workdir.mkdir(parents=True, exist_ok=True)
    held = workdir / ".held"
    held.touch()
    yield
    held.unlink()


def start_run(template: Run | None = None) -> Run:
    project = template.project if template else make_project()
    return services.start_run(
        project=project,
        kind="reward",
        snapshot=template.snapshot if template else make_snapshot(project),
        options=OPTIONS
        | {"steps": STEPS, "checkpoint_every": CHECKPOINT_EVERY, "eval_every": STEPS // 2},
    )


def ended(job: Job) -> bool:
    job.refresh_from_db()
    return job.ended


def kill_in_the_middle(worker: Worker, run: Run, job: Job) -> int:
    """Kill the worker and the training's process group; return the steps that were on disk."""
    folder = services.workdir_of(run)
    first = folder / "checkpoints" / f"step-{CHECKPOINT_EVERY}"
    with never_ending(folder):
        wait_until(first.is_dir, "the first checkpoint is written")
        training = settings.VAR_DIR / "jobs" / str(job.pk) / "process.json"
        pid = json.loads(training.read_text())["pid"]
        worker.kill()
        with contextlib.suppress(ProcessLookupError):  # where it died with the worker, as it should
            os.killpg(pid, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the training is gone")
    steps = [int(path.name.removeprefix("step-")) for path in first.parent.glob("step-*")]
    return max(steps)


def test_a_killed_training_goes_on_elsewhere_and_ends_as_if_nothing_had_happened(
    start_worker: Callable[[], Worker],
) -> None:
    run = start_run()
    job = run.job
    assert job is not None
    Job.objects.filter(pk=job.pk).update(rung_at=None)  # the doorbell rang where nobody listens
    on_disk = kill_in_the_middle(start_worker(), run, job)
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("running", 1)

    second = start_worker()
    wait_until(lambda: ended(job), "the second worker has ended the job")
    assert job.error == "", second.log.read_text()[-3000:]
    assert (job.state, job.attempt) == ("succeeded", 2)
    said = list(LogLine.objects.filter(job=job).values_list("message", flat=True))
    assert "The worker was lost; queued again." in said
    assert f"Resuming from the checkpoint of step {on_disk}." in said
    second.kill()

    whole = start_run(run)
    assert whole.job is not None
    run_job(whole.job.pk, owner="test", heartbeat=False)
    run.refresh_from_db()
    whole.refresh_from_db()
    assert run.report["eval"] == whole.report["eval"]
    assert figures(run) == figures(whole)
    assert [step for split, step, _ in figures(run) if split == "train"] == list(
        range(1, STEPS + 1)
    )
    assert ModelVersion.objects.filter(run=run).count() == 1


def figures(run: Run) -> list[tuple[str, int, Any]]:
    """Every metric of the run: split, step, values."""
    rows = Metric.objects.filter(run=run).order_by("split", "step")
    return list(rows.values_list("split", "step", "values"))
