"""A project has one active retrain; a database with several is brought there."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Project
from jobs.models import RETRAIN, Job, State
from tests.factories import make_project

pytestmark = pytest.mark.django_db
MIGRATION = import_module("jobs.migrations.0003_allow_one_retrain")


def make_retrain(project: Project, state: State) -> Job:
    held = timezone.now() if state in {State.LEASED, State.RUNNING} else None
    return Job.objects.create(kind=RETRAIN, project=project, state=state, lease_until=held)


def test_a_second_active_retrain_is_refused_by_the_database() -> None:
    project = make_project()
    make_retrain(project, State.SUCCEEDED)
    make_retrain(project, State.QUEUED)
    with pytest.raises(IntegrityError, match="job_one_active_retrain"), transaction.atomic():
        make_retrain(project, State.RUNNING)
    make_retrain(make_project(), State.RUNNING)


def test_of_several_from_before_the_running_one_stays() -> None:
    (constraint,) = (c for c in Job._meta.constraints if c.name == "job_one_active_retrain")
    project, other = make_project(), make_project()
    with connection.schema_editor() as editor:
        editor.remove_constraint(Job, constraint)
        queued, running, late = (
            make_retrain(project, state) for state in (State.QUEUED, State.RUNNING, State.QUEUED)
        )
        alone = make_retrain(other, State.QUEUED)
        MIGRATION.end_all_but_one(apps, editor)
        connection.check_constraints()  # those of the rows made above wait for the commit
        editor.add_constraint(Job, constraint)
    for job in (queued, late):
        job.refresh_from_db()
        assert (job.state, job.attempt) == (State.CANCELLED, 1)
        assert "can be resumed" in job.error
        assert job.finished_at is not None
    for job, state in ((running, State.RUNNING), (alone, State.QUEUED)):
        job.refresh_from_db()
        assert (job.state, job.attempt, job.error) == (state, 0, "")
