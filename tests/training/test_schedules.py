"""Retraining by schedule: when it is due, at most one at a time, on a fresh snapshot."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from core.exceptions import InvalidInput
from jobs import services as jobs
from jobs.models import Job
from jobs.runner import run as run_job
from tests.factories import make_annotation, make_annotator, make_instance, make_project
from tests.training.small import BAD, GOOD, OPTIONS
from training.registry.models import ModelVersion
from training.runs import schedules
from training.runs.models import Run, Schedule

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
