"""Two machines with folders of their own: what one published, the other goes on from."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django.fixtures import Settings

from config.env import storage_from_url
from core import artifacts
from jobs.models import Job, LogLine
from jobs.runner import run as run_job
from tests.core.test_artifacts import endpoint
from tests.factories import make_project
from tests.training import test_worker_killed as killed
from tests.training.small import OPTIONS, make_snapshot
from tests.training.test_worker_killed import Worker, broker, ended, figures, wait_until
from training.registry import folders
from training.registry.models import ModelVersion
from training.runs import services
from training.runs.models import Run

__all__ = ["broker", "endpoint"]
pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

STEPS = 60
Machine = Callable[[str], Worker]


@pytest.fixture
def shared(endpoint: str, settings: Settings, tmp_path: Path) -> str:
    """The address of the storage that all machines share, this one too."""
    url = f"s3://artifacts/{tmp_path.name}?endpoint={endpoint}&region=us-east-1"
    settings.STORAGES = settings.STORAGES | {"artifacts": storage_from_url(url)}
    return url


@pytest.fixture
def machine(broker: str, shared: str, tmp_path: Path) -> Iterator[Machine]:
    """Starts a worker with a data folder of its own."""
    workers: list[Worker] = []

    def start(name: str) -> Worker:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        environment = killed.worker_environment

        def with_storage(broker: str, var: Path) -> dict[str, str]:
            keys = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
            return environment(broker, var) | {"ARTIFACTS_URL": shared} | keys

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(killed, "worker_environment", with_storage)
            workers.append(Worker(broker, folder, len(workers)))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


def make_run(template: Run | None = None) -> Run:
    project = template.project if template else make_project()
    snapshot = template.snapshot if template else make_snapshot(project)
    artifacts.publish(artifacts.local_path(snapshot.folder), snapshot.folder)
    options = OPTIONS | {"steps": STEPS, "checkpoint_every": 25, "eval_every": STEPS // 2}
    return services.start_run(project=project, kind="reward", snapshot=snapshot, options=options)


def published(run: Run) -> int:
    """Steps of the newest state in the storage."""
    time.sleep(0.3)
    manifest = artifacts.newest(f"{run.folder}/state")
    return manifest.order if manifest else 0


def job_of(run: Run) -> Job:
    run.refresh_from_db()
    assert run.job is not None
    return run.job


def test_a_run_killed_twice_is_finished_on_another_machine_to_the_same_figures(
    machine: Machine, tmp_path: Path
) -> None:
    run = make_run()
    first = job_of(run)
    Job.objects.filter(pk=first.pk).update(rung_at=None)
    with killed.never_ending(tmp_path / "one" / "artifacts" / run.folder):
        one = machine("one")
        wait_until(lambda: published(run) >= 25, "the first checkpoint is published")
        one.kill()
    with killed.never_ending(tmp_path / "two" / "artifacts" / run.folder):
        two = machine("two")
        process = tmp_path / "two" / "jobs" / str(first.pk) / "process.json"
        wait_until(process.exists, "the second machine trains")
        os.killpg(json.loads(process.read_text())["pid"], signal.SIGKILL)
        wait_until(lambda: ended(first), "the job has ended")
        assert first.state == "failed", two.log.read_text()[-2000:]
        assert "memory ran out" in first.error
    services.resume_run(run=run, actor=None)
    second = job_of(run)
    Job.objects.filter(pk=second.pk).update(rung_at=None)  # it rang where no machine listens
    wait_until(lambda: ended(second), "the resumed job has ended")
    assert not second.error, f"{second.error}\n{two.log.read_text()[-3000:]}"
    two.kill()
    said = LogLine.objects.filter(job=first).values_list("message", flat=True)
    assert any(line.startswith("Resuming from the checkpoint of step") for line in said)

    # This process is a third machine: it opens the model, and trains the same without a pause.
    version = ModelVersion.objects.get(run=run)
    assert not artifacts.is_here(version.folder)
    assert "# Reward model" in folders.text_of(version, "model_card.md")
    assert (folders.local(version) / "config.json").is_file()
    whole = make_run(run)
    Job.objects.filter(pk=job_of(whole).pk).update(rung_at=None)
    run_job(job_of(whole).pk, owner="test", heartbeat=False)
    run.refresh_from_db()
    whole.refresh_from_db()
    assert run.report["eval"] == whole.report["eval"]
    assert figures(run) == figures(whole)
    steps = [step for split, step, _ in figures(run) if split == "train"]
    assert steps == list(range(1, STEPS + 1))
    assert str(settings.MEDIA_ROOT) not in json.dumps(run.report)
