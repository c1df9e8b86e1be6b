"""Retraining by schedule: when it is due, at most one at a time, on a fresh snapshot."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Project
from annotation.datasets.models import Snapshot
from audit.models import Event
from core.exceptions import Conflict, InvalidInput
from jobs import services as jobs
from jobs.models import RETRAIN, Job, LogLine
from jobs.runner import run as run_job
from tests.factories import make_annotation, make_annotator, make_instance, make_project
from tests.training.small import BAD, GOOD, OPTIONS, make_snapshot
from training.registry.models import ModelVersion
from training.runs import schedules
from training.runs.config import continued
from training.runs.models import Run, Schedule
from training.runs.services import start_run

pytestmark = pytest.mark.django_db


def label(project: Project, count: int) -> None:
    """`count` new instances, each with one label of a person."""
    annotator = make_annotator(project)
    for number in range(count):
        texts = (f"{GOOD[number % 5]} {number}", f"{BAD[number % 5]} {number}")
        make_annotation(make_instance(project, texts), annotator)


def schedule_of(project: Project, **fields: Any) -> Schedule:
    options = OPTIONS | {"steps": 2}
    return schedules.set_schedule(project=project, kind="reward", options=options, **fields)


def later(schedule: Schedule, hours: int) -> None:
    started = timezone.now() - timedelta(hours=hours)
    Schedule.objects.filter(pk=schedule.pk).update(last_started_at=started)


def test_enough_new_labels_start_one_retrain_and_no_second_while_it_is_active() -> None:
    project = make_project()
    label(project, 3)
    schedule_of(project, every_labels=4)
    assert schedules.tick() == []
    label(project, 3)
    assert schedules.tick() == []
    label(project, 1)
    [job] = schedules.tick()
    assert (job.kind, job.queue) == ("training.retrain", "gpu")
    label(project, 4)
    assert schedules.tick() == []
    jobs.cancel(job=job)
    [again] = schedules.tick()
    assert again.pk != job.pk
    assert schedules.tick() == []
    assert Job.objects.count() == 2


def test_hours_start_a_retrain_only_where_a_label_is_new() -> None:
    project = make_project()
    label(project, 1)
    schedule = schedule_of(project, every_hours=6)
    later(schedule, 7)
    assert schedules.tick() == []
    label(project, 1)
    later(schedule, 5)
    assert schedules.tick() == []
    later(schedule, 7)
    assert len(schedules.tick()) == 1


def test_a_disabled_schedule_and_one_of_another_project_stay_quiet() -> None:
    busy, quiet = make_project(), make_project()
    schedule_of(busy, every_labels=1, enabled=False)
    schedule_of(quiet, every_labels=1)
    label(busy, 2)
    assert schedules.tick() == []


def test_a_schedule_without_a_trigger_is_refused_and_setting_it_again_keeps_the_count() -> None:
    project = make_project()
    with pytest.raises(InvalidInput, match="how many new labels"):
        schedule_of(project)
    assert not Schedule.objects.exists()
    first = schedule_of(project, every_labels=5)
    label(project, 2)
    second = schedule_of(project, every_labels=2)
    assert second.pk == first.pk
    assert len(schedules.tick()) == 1


def test_a_retrain_builds_a_snapshot_and_trains_in_one_job() -> None:
    project = make_project()
    schedule_of(project, every_labels=10)
    label(project, 20)
    [job] = schedules.tick()
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.error == ""
    run = Run.objects.get(job=job)
    assert run.snapshot.manifest["labels_by_kind"] == {"person": 20}
    assert (run.config["steps"], run.report["steps"]) == (2, 2)
    assert ModelVersion.objects.get(run=run).project == project


def test_a_retrain_without_enough_prompts_fails_with_the_reason() -> None:
    project = make_project()
    schedule_of(project, every_labels=1)
    label(project, 1)
    [job] = schedules.tick()
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "prompt" in job.error
    assert not Run.objects.exists()


# --- Drift, time, waiting, pausing ----------------------------------------------------------


def fail(job: Job, error: str = "No luck.") -> None:
    Job.objects.filter(pk=job.pk).update(state="failed", error=error)


def test_drift_starts_one_retrain_as_soon_as_there_are_enough_new_labels() -> None:
    project, other = make_project(), make_project()
    schedule_of(project, on_drift=True, least_labels=2)
    schedule_of(other, on_drift=True)
    label(project, 1)
    label(other, 5)
    schedules.drift_seen(project, "feature drift")
    schedules.drift_seen(project, "judge drift")
    assert schedules.tick() == []
    label(project, 1)
    [job] = schedules.tick()
    assert (job.project, job.arguments["why"]) == (project, "feature drift")
    jobs.cancel(job=job)
    label(project, 5)
    assert schedules.tick() == []


def test_drift_is_nothing_to_a_schedule_that_does_not_watch_for_it() -> None:
    project = make_project()
    schedule_of(project, every_labels=100)
    schedules.drift_seen(project, "feature drift")
    label(project, 5)
    assert schedules.tick() == []
    assert Schedule.objects.get().drift == {}


def test_time_waits_for_enough_labels_and_missed_times_do_not_pile_up() -> None:
    project = make_project()
    schedule = schedule_of(project, every_hours=1, least_labels=3)
    label(project, 2)
    later(schedule, 100)
    assert schedules.tick() == []
    label(project, 1)
    [job] = schedules.tick()
    fail(job)
    label(project, 5)
    assert schedules.tick() == []


def test_a_project_has_one_active_retrain_and_the_second_due_one_waits_and_says_so() -> None:
    project = make_project()
    for kind in ("reward", "policy"):
        schedules.set_schedule(project=project, kind=kind, every_labels=1, options={"steps": 2})
    label(project, 1)
    [first] = schedules.tick()
    waiting = Schedule.objects.get(kind="policy")
    assert "waiting" in waiting.waiting
    assert Job.objects.count() == 1
    fail(first)
    [second] = schedules.tick()
    assert second.arguments["schedule"] == waiting.pk
    waiting.refresh_from_db()
    assert waiting.waiting == ""


def test_the_database_refuses_a_second_active_retrain_whatever_its_key() -> None:
    project = make_project()
    for number in range(2):
        values: dict[str, Any] = {"kind": RETRAIN, "project": project, "arguments": {}}
        if number:
            with pytest.raises(Conflict):
                jobs.submit(**values, unique_key="another")
        else:
            jobs.submit(**values)
    jobs.submit(kind=RETRAIN, project=make_project(), arguments={})
    assert Job.objects.count() == 2


def test_three_failures_in_a_row_pause_a_schedule_until_it_is_set_again() -> None:
    project = make_project()
    schedule = schedule_of(project, every_labels=1)
    for number in range(3):
        label(project, 1)
        [job] = schedules.tick()
        fail(job, f"Reason {number}.")
    label(project, 1)
    assert schedules.tick() == []
    schedule.refresh_from_db()
    assert not schedule.enabled
    assert "3 retrains in a row have failed. The last one: Reason 2." in schedule.paused
    again = schedule_of(project, every_labels=1)
    assert (again.enabled, again.paused) == (True, "")
    [job] = schedules.tick()
    fail(job)
    label(project, 1)
    assert len(schedules.tick()) == 1


def test_a_success_between_failures_keeps_a_schedule_going() -> None:
    project = make_project()
    schedule_of(project, every_labels=1)
    for state in ("failed", "failed", "succeeded", "failed", "failed"):
        label(project, 1)
        [job] = schedules.tick()
        Job.objects.filter(pk=job.pk).update(state=state)
    label(project, 1)
    assert len(schedules.tick()) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"every_labels": 0}, "above 0"),
        ({"every_hours": -4}, "above 0"),
        ({"every_hours": True}, "above 0"),
        ({"every_hours": 10**12}, "above 0"),
        ({"every_labels": 5, "least_labels": 0}, "above 0"),
        ({"every_labels": 5, "kind": "judge"}, "reward or policy"),
        ({"every_labels": 5, "options": {"stepz": 1}}, "not a setting"),
        ({"every_labels": 5, "options": {"continue_from": "yesterday"}}, "continue_from"),
        ({"every_labels": 5, "options": {"continue_from": 77}}, "no model version 77"),
        ({"every_labels": 5, "options": {"continue_from": True}}, "continue_from"),
        ({"every_labels": 5, "query": {"scopes": 1}}, "scopes"),
    ],
)
def test_a_schedule_that_could_never_run_is_refused_and_nothing_is_written(
    fields: dict[str, Any], message: str
) -> None:
    project = make_project()
    values: dict[str, Any] = {"project": project, "kind": "reward"} | fields
    with pytest.raises(InvalidInput, match=message):
        schedules.set_schedule(**values)
    assert not Schedule.objects.exists()
    assert not Event.objects.filter(action="schedule set").exists()


def test_a_version_of_another_project_is_no_start() -> None:
    project = make_project()
    foreign = make_version(make_project())
    with pytest.raises(InvalidInput, match="no model version"):
        schedules.set_schedule(
            project=project,
            kind="reward",
            every_labels=1,
            options={"continue_from": foreign.pk},
        )


def test_what_a_run_continues_from_is_looked_up_when_it_starts() -> None:
    project = make_project()
    options = OPTIONS | {"continue_from": "production"}
    scratch = {"base": OPTIONS["base"]}
    assert continued(project, "reward", options) == OPTIONS | scratch
    first, second = make_version(project), make_version(project)
    assert continued(project, "reward", options) == OPTIONS | scratch
    ModelVersion.objects.filter(pk=first.pk).update(stage="production")
    start = {"base": {"version": first.pk}}
    assert continued(project, "reward", options) == OPTIONS | start
    last = continued(project, "reward", OPTIONS | {"continue_from": "last"})
    assert last["base"] == {"version": second.pk}
    assert continued(project, "policy", options) == OPTIONS | scratch


def make_version(project: Project) -> ModelVersion:
    run = start_run(project=project, kind="reward", snapshot=snapshot_of(project), options=OPTIONS)
    number = ModelVersion.objects.filter(project=project).count() + 1
    return ModelVersion.objects.create(
        project=project, run=run, kind="reward", version=number, folder=f"{run.folder}/model"
    )


def snapshot_of(project: Project) -> Snapshot:
    return Snapshot.objects.filter(project=project).first() or make_snapshot(project)


def test_a_retrain_goes_on_from_the_last_version_and_is_promoted_through_the_gate_only() -> None:
    project = make_project()
    options = OPTIONS | {"steps": 2, "continue_from": "last"}
    schedules.set_schedule(
        project=project, kind="reward", every_labels=10, promote=True, options=options
    )
    label(project, 20)
    [job] = schedules.tick()
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.error == ""
    assert job.result is not None
    version = ModelVersion.objects.get(run__job=job)
    assert job.result["promoted"] == (version.stage == "production")
    said = "\n".join(LogLine.objects.filter(job=job).values_list("message", flat=True))
    assert "Retrain: 20 new labels." in said
    assert ("It stays a candidate" in said) != job.result["promoted"]
    label(project, 10)
    [again] = schedules.tick()
    run_job(again.pk, owner="test", heartbeat=False)
    again.refresh_from_db()
    assert again.error == ""
    second = Run.objects.get(job=again)
    assert second.config["base"]["path"].endswith(version.folder)


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_start_one_retrain() -> None:
    project = make_project()
    schedule_of(project, every_labels=1)
    label(project, 1)
    started: list[Job] = []
    barrier = threading.Barrier(3)

    def one_tick() -> None:
        barrier.wait()
        started.extend(schedules.tick())
        connection.close()

    threads = [threading.Thread(target=one_tick) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert Job.objects.count() == 1
