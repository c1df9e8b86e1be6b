"""A job's life: submitted, claimed once, run, and ended in one of five ways."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.exceptions import Conflict, InvalidInput
from jobs import registry, runner, selectors, services
from jobs.context import JobContext
from jobs.exceptions import JobCancelled, JobFailed, JobFenced, JobReleased
from jobs.models import Job, LogLine, State
from jobs.waiting import wait

pytestmark = pytest.mark.django_db


def submit(run: Callable[[JobContext], dict[str, Any]], **arguments: Any) -> Job:
    registry.register("test.kind", run)
    return services.submit(kind="test.kind", project=None, arguments=arguments)


def run(job: Job) -> Job:
    runner.run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


def test_a_job_runs_and_keeps_its_result() -> None:
    def work(context: JobContext) -> dict[str, Any]:
        context.log("half way")
        context.progress(1, 2, "halves")
        return {"sum": context.arguments["a"] + 1}

    job = run(submit(work, a=2))
    assert (job.state, job.result, job.attempt) == (State.SUCCEEDED, {"sum": 3}, 1)
    assert (job.done, job.total, job.note) == (1, 2, "halves")
    assert [line.message for line in selectors.log_of(job)] == ["half way"]
    assert job.lease_until is None
    assert job.finished_at is not None


def test_an_unknown_kind_is_refused_and_nothing_is_written() -> None:
    with pytest.raises(InvalidInput, match="no job kind"):
        services.submit(kind="nobody.knows", project=None, arguments={})
    assert not Job.objects.exists()


def test_a_refusal_is_shown_and_a_crash_keeps_its_trace() -> None:
    def refuse(context: JobContext) -> dict[str, Any]:
        raise JobFailed("The data set is empty: import something first.")

    def crash(context: JobContext) -> dict[str, Any]:
        raise ZeroDivisionError("by zero")

    job = run(submit(refuse))
    assert (job.state, job.error) == (
        State.FAILED,
        "The data set is empty: import something first.",
    )
    job = run(submit(crash))
    assert (job.state, job.error) == (State.FAILED, "ZeroDivisionError: by zero")
    assert "Traceback" in selectors.log_of(job)[-1].message


def test_a_second_runner_finds_nothing_to_do() -> None:
    runs: list[int] = []

    def work(context: JobContext) -> dict[str, Any]:
        runs.append(1)
        return {}

    job = submit(work)
    run(job)
    run(job)
    assert runs == [1]


def test_only_one_active_job_per_key() -> None:
    registry.register("test.kind", lambda context: {})
    first = services.submit(kind="test.kind", project=None, arguments={}, unique_key="k")
    with pytest.raises(Conflict):
        services.submit(kind="test.kind", project=None, arguments={}, unique_key="k")
    run(first)
    services.submit(kind="test.kind", project=None, arguments={}, unique_key="k")
    assert Job.objects.count() == 2


def test_a_queued_job_is_cancelled_at_once_and_never_runs() -> None:
    job = services.cancel(job=submit(lambda context: {}))
    assert job.state == State.CANCELLED
    assert run(job).attempt == 0


def test_a_running_job_is_cancelled_at_its_next_check_with_its_children() -> None:
    children: list[Job] = []

    def work(context: JobContext) -> dict[str, Any]:
        children.append(
            services.submit(kind="test.kind", project=None, arguments={}, parent=context.job)
        )
        services.cancel(job=context.job)
        context.check()
        raise AssertionError("the check must raise")

    job = run(submit(work))
    assert job.state == State.CANCELLED
    children[0].refresh_from_db()
    assert children[0].state == State.CANCELLED


def test_a_released_job_waits_for_the_next_runner() -> None:
    seen = []

    def work(context: JobContext) -> dict[str, Any]:
        seen.append(context.attempt)
        if len(seen) == 1:
            raise JobReleased
        return {}

    job = run(submit(work))
    assert job.state == State.QUEUED
    assert run(job).state == State.SUCCEEDED
    assert seen == [1, 2]


def test_a_fenced_attempt_writes_nothing() -> None:
    """The lease ran out, another attempt began: the first must not log, report or finish."""

    def slow(context: JobContext) -> dict[str, Any]:
        Job.objects.filter(pk=context.job.pk).update(attempt=7)
        with pytest.raises(JobFenced):
            context.log("late")
        with pytest.raises(JobFenced):
            context.progress(1, 1)
        with pytest.raises(JobFenced):
            context.beat()
        return {"stale": True}

    job = run(submit(slow))
    assert (job.state, job.attempt, job.result) == (State.RUNNING, 7, None)
    assert not LogLine.objects.filter(job=job).exists()


def test_the_sweep_takes_back_a_lost_job_and_gives_up_after_its_last_attempt() -> None:
    job = submit(lambda context: {})
    claimed = services.claim(job_id=job.pk, owner="gone")
    assert claimed is not None
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.filter(pk=job.pk).update(lease_until=past)
    assert services.sweep()["requeued"] == 1
    job.refresh_from_db()
    assert job.state == State.QUEUED
    assert not services.finish(job=claimed, state=State.SUCCEEDED, result={})

    services.claim(job_id=job.pk, owner="gone again")
    Job.objects.filter(pk=job.pk).update(lease_until=past, attempt=job.max_attempts)
    assert services.sweep()["failed"] == 1
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "lost" in job.error


def test_the_sweep_ends_a_lost_job_that_was_cancelled() -> None:
    job = submit(lambda context: {})
    services.claim(job_id=job.pk, owner="gone")
    services.cancel(job=job)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    services.sweep()
    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_the_sweep_rings_for_silent_jobs_until_the_doorbell_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = [submit(lambda context: {}).pk for _ in range(3)]
    long_ago = timezone.now() - timedelta(hours=1)
    Job.objects.filter(pk__in=jobs).update(rung_at=None)
    Job.objects.filter(pk=jobs[0]).update(rung_at=long_ago)
    asked: list[int] = []

    def ring(job: Job) -> bool:
        asked.append(job.pk)
        return len(asked) < 2

    monkeypatch.setattr(services, "ring", ring)
    assert services.sweep()["rung"] == 1
    assert asked == jobs[1:]  # the one that was never rung for comes first
    silent = Job.objects.filter(rung_at__isnull=True).values_list("pk", flat=True)
    assert list(silent) == [jobs[2]]
    assert Job.objects.get(pk=jobs[0]).rung_at == long_ago


def test_waiting_runs_children_and_a_cancel_reaches_them() -> None:
    registry.register("test.child", lambda context: {"n": context.arguments["n"]})

    def parent(context: JobContext) -> dict[str, Any]:
        children = [
            services.submit(kind="test.child", project=None, arguments={"n": n}, parent=context.job)
            for n in range(2)
        ]
        return {"children": [child.result for child in wait(context, children)]}

    assert run(submit(parent)).result == {"children": [{"n": 0}, {"n": 1}]}


def test_health_names_a_queue_without_a_worker() -> None:
    submit(lambda context: {})
    services.pulse(name="gpu")
    health = {queue.name: queue for queue in selectors.health()}
    assert (health["default"].alive, health["default"].queued) == (False, 1)
    assert health["gpu"].alive


def test_a_cancel_is_raised_only_once_asked() -> None:
    def work(context: JobContext) -> dict[str, Any]:
        context.check()
        Job.objects.filter(pk=context.job.pk).update(cancel_requested=True)
        with pytest.raises(JobCancelled):
            context.progress(1, 1)
        raise JobCancelled

    assert run(submit(work)).state == State.CANCELLED
