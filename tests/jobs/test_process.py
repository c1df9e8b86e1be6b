"""Work in its own process group: events, refusals, cancel, and no process left behind."""

import json
import os
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from jobs import process, selectors
from jobs.context import JobContext
from jobs.exceptions import JobCancelled, JobFailed, JobReleased
from jobs.models import Job
from jobs.process import run_process
from tests.jobs.test_submit_and_run import run, submit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _var(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.JOBS_CANCEL_GRACE_SECONDS = 1


def script(body: str) -> list[str]:
    head = (
        "import json, os, signal, sys, time\nsay = lambda **e: print(json.dumps(e), flush=True)\n"
    )
    return [sys.executable, "-c", head + textwrap.dedent(body)]


def outcome(body: str) -> tuple[Job, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []

    def work(context: JobContext) -> dict[str, Any]:
        return run_process(context, script(body), on_event=events.append)

    return run(submit(work)), events


def test_events_reach_the_job_and_the_result_is_returned() -> None:
    job, events = outcome("""
        say(event="log", message="hello")
        say(event="progress", done=3, total=3, note="steps")
        print("plain text")
        say(event="metric", step=1, values={"loss": 0.5})
        say(event="result", values={"ok": 1})
    """)
    assert (job.state, job.result, job.done) == ("succeeded", {"ok": 1}, 3)
    assert [line.message for line in selectors.log_of(job)] == ["hello", "plain text"]
    assert [event["event"] for event in events] == ["log", "progress", "metric", "result"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            'say(event="error", message="No rows.", hint="Import some."); sys.exit(2)',
            "No rows. Import some.",
        ),
        ('raise ValueError("broken inside")', "broken inside"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "memory ran out"),
        ("pass", "ended with code 0"),
    ],
)
def test_every_bad_end_says_what_happened(body: str, error: str) -> None:
    job, _ = outcome(body)
    assert job.state == "failed"
    assert error in job.error


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_DISK_FULL_BYTES", 2**62)
    job, _ = outcome("sys.exit(120)")
    assert job.state == "failed"
    assert "disk" in job.error
    assert "free some space" in job.error


def test_a_stopped_process_gives_the_job_back() -> None:
    job, _ = outcome("sys.exit(75)")
    assert job.state == "queued"


def test_a_cancel_stops_the_whole_group() -> None:
    """The child ignores SIGTERM and has a child of its own: both must be gone."""
    pids: list[int] = []

    def work(context: JobContext) -> dict[str, Any]:
        def seen(event: dict[str, Any]) -> None:
            pids.extend(event["pids"])
            Job.objects.filter(pk=context.job.pk).update(cancel_requested=True)

        return run_process(
            context,
            script("""
                import subprocess
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
                say(event="metric", pids=[os.getpid(), child.pid])
                time.sleep(60)
            """),
            on_event=seen,
        )

    job = run(submit(work))
    assert job.state == "cancelled"
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)


def test_a_group_left_by_a_lost_worker_is_killed_before_the_next_attempt() -> None:
    import subprocess

    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )

    def work(context: JobContext) -> dict[str, Any]:
        started = Path(f"/proc/{left.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        (context.folder / "process.json").write_text(
            json.dumps({"pid": left.pid, "started": started})
        )
        return run_process(context, script('say(event="result", values={})'))

    assert run(submit(work)).state == "succeeded"
    assert left.wait(timeout=60) == -9


def test_a_reused_process_id_is_left_alone() -> None:
    def work(context: JobContext) -> dict[str, Any]:
        (context.folder / "process.json").write_text(
            json.dumps({"pid": os.getpid(), "started": "1"})
        )
        return run_process(context, script('say(event="result", values={})'))

    assert run(submit(work)).state == "succeeded"


def alive(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True


def test_the_ends_are_exceptions_of_their_own() -> None:
    assert not issubclass(JobCancelled, JobFailed)
    assert not issubclass(JobReleased, JobFailed)
