"""The job of a run, with real training: metrics, report, model, cancel and resume."""

import json
from pathlib import Path
from typing import Any

import pytest

from audit.models import Event
from core.exceptions import Conflict
from jobs import services as jobs
from jobs.context import JobContext
from jobs.exceptions import JobFenced
from jobs.models import Job, LogLine
from jobs.runner import run as run_job
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot
from training.registry import selectors as registry
from training.registry.models import ModelVersion
from training.runs import fitting, memory, selectors, services
from training.runs.models import Metric, Run

pytestmark = pytest.mark.django_db


def start(**options: Any) -> Run:
    project = make_project()
    return services.start_run(
        project=project, kind="reward", snapshot=make_snapshot(project), options=OPTIONS | options
    )


def work(run: Run) -> Job:
    """Run the job of `run` here and return its row."""
    assert run.job is not None
    run_job(run.job.pk, owner="test", heartbeat=False)
    run.refresh_from_db()
    job = run.job
    assert job is not None
    return job


def messages(job: Job) -> list[str]:
    return list(LogLine.objects.filter(job=job).values_list("message", flat=True))


def test_a_run_trains_reports_and_registers_its_model() -> None:
    run = start()
    job = work(run)
    assert job.error == ""
    assert job.state == "succeeded"
    steps = Metric.objects.filter(run=run, split="train").values_list("step", flat=True)
    assert list(steps) == [1, 2, 3, 4, 5, 6]
    assert run.report["steps"] == 6
    assert 0 <= run.report["eval"]["accuracy"] <= 1
    assert run.report["data"]["steps"] == [{"name": "all", "left": 40, "rows": 40}]
    version = ModelVersion.objects.get(run=run)
    assert (version.version, version.stage) == (1, "candidate")
    assert version.base_model == "random weights (llama, 1 layers)"
    assert job.result is not None
    assert job.result["model_version"] == version.pk
    card = registry.card_of(version)
    assert card.startswith("# Reward model")
    assert f"Snapshot `{run.snapshot.content_hash}`" in card
    found = registry.lineage(version)
    assert found.figures["accuracy"] == run.report["eval"]["accuracy"]
    assert found.snapshot == run.snapshot
    assert found.counts == {"rows": {"train": 40, "test": 24}, "labels_by_kind": {"person": 64}}
    assert Event.objects.filter(action="model registered").exists()
    series = selectors.curve(run)
    assert [step for step, _ in series["train"]["loss"]] == [1, 2, 3, 4, 5, 6]
    assert series["eval"]["eval_accuracy"][-1][0] == 6


def test_a_refusal_of_the_trainer_is_the_error_of_the_job() -> None:
    run = start(learning_rate=1e30)
    job = work(run)
    assert job.state == "failed"
    assert "Lower `learning_rate`" in job.error
    assert not ModelVersion.objects.exists()
    assert run.report == {}


def test_a_run_that_does_not_fit_into_memory_is_refused_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2**20)
    job = work(start(device="cpu"))
    assert job.state == "failed"
    assert "use a smaller base model" in job.error


@pytest.mark.slow
def test_a_cancelled_run_keeps_a_checkpoint_and_can_be_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = start(steps=600, checkpoint_every=5000, eval_every=300)
    add = fitting.MetricWriter.add

    def add_and_cancel(writer: fitting.MetricWriter, step: int, values: dict[str, Any]) -> None:
        add(writer, step, values)
        if step == 5 and not Metric.objects.filter(run=run, step=5).exists():
            services.cancel_run(run=run, actor=None)

    with monkeypatch.context() as patch:
        patch.setattr(fitting.MetricWriter, "add", add_and_cancel)
        assert work(run).state == "cancelled"
    stopped = Metric.objects.filter(run=run, split="train").count()
    assert 5 <= stopped < 600
    assert (services.workdir_of(run) / "checkpoints" / f"step-{stopped}").is_dir()
    resumed = services.resume_run(run=run, actor=None)
    job = work(resumed)
    assert job.state == "succeeded"
    assert f"Resuming from the checkpoint of step {stopped}." in messages(job)
    steps = Metric.objects.filter(run=run, split="train").values_list("step", flat=True)
    assert list(steps) == list(range(1, 601))
    with pytest.raises(Conflict, match="has succeeded"):
        services.resume_run(run=resumed, actor=None)


def test_only_an_active_run_is_cancelled_and_only_an_ended_one_resumed() -> None:
    run = start()
    with pytest.raises(Conflict, match="still active"):
        services.resume_run(run=run, actor=None)
    services.cancel_run(run=run, actor=None)
    run.refresh_from_db()
    with pytest.raises(Conflict, match="already ended"):
        services.cancel_run(run=run, actor=None)


def test_a_stale_attempt_writes_nothing() -> None:
    run = start()
    assert run.job is not None
    stale = jobs.claim(job_id=run.job.pk, owner="lost")
    assert stale is not None
    Job.objects.filter(pk=stale.pk).update(state="queued", lease_until=None)
    assert jobs.claim(job_id=stale.pk, owner="second") is not None
    writer = fitting.MetricWriter(JobContext(stale), run)
    writer.add(1, {"loss": 1.0})
    with pytest.raises(JobFenced):
        writer.flush()
    with pytest.raises(JobFenced):
        services.complete_run(ctx=JobContext(stale), run=run, report={"eval": {}})
    run.refresh_from_db()
    assert not Metric.objects.exists()
    assert run.report == {}
    assert not ModelVersion.objects.exists()


def test_a_later_attempt_replaces_the_values_of_a_step() -> None:
    run = start()
    assert run.job is not None
    job = jobs.claim(job_id=run.job.pk, owner="first")
    assert job is not None
    for loss in (1.0, 0.5):
        writer = fitting.MetricWriter(JobContext(job), run)
        writer.add(1, {"loss": loss})
        writer.add(1, {"eval_accuracy": loss})
        writer.flush()
    values = dict(Metric.objects.filter(run=run).values_list("split", "values"))
    assert values == {"train": {"loss": 0.5}, "eval": {"eval_accuracy": 0.5}}


def test_the_history_on_disk_fills_the_steps_that_a_lost_worker_did_not_write(
    tmp_path: Path,
) -> None:
    run = start()
    assert run.job is not None
    job = jobs.claim(job_id=run.job.pk, owner="first")
    assert job is not None
    folder = tmp_path / "checkpoints" / "step-2"
    folder.mkdir(parents=True)
    history = [{"step": s, "phase": "train", "loss": 1.0 / s} for s in (1, 2)]
    (folder / "state.json").write_text(json.dumps({"history": history}))
    with fitting.metrics_of(JobContext(job), run, tmp_path) as writer:
        writer.add(3, {"loss": 0.1})
    rows = Metric.objects.filter(run=run).values_list("step", "values")
    assert list(rows) == [(1, {"loss": 1.0}), (2, {"loss": 0.5}), (3, {"loss": 0.1})]
