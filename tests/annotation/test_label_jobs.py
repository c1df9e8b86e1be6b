"""Judge, snapshot and export as jobs: from recorded labels to a file, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.models import Export, Snapshot
from annotation.judges.services import ensure_recorded
from annotation.ledger.services import create_budget
from jobs import runner, services
from jobs.models import Job, State
from tests.factories import make_instance, make_project, make_recorded_label

pytestmark = pytest.mark.django_db


def run(kind: str, project: Project, **arguments: Any) -> Job:
    job = services.submit(kind=kind, project=project, arguments=arguments)
    runner.run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


def test_from_recorded_labels_to_an_export(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = settings.VAR_DIR = tmp_path
    project = make_project()
    for _ in range(3):
        make_recorded_label(make_instance(project), origin="judge", annotator="gpt")
    (judge,) = ensure_recorded(project=project)
    budget = create_budget(project=project, name="b", limit_micros=1_000_000)

    asked = run("annotation.judge", project, judge=judge.pk, budget=budget.pk)
    assert asked.state == State.SUCCEEDED, asked.error
    assert asked.result is not None
    assert (asked.result["answered"], asked.result["spent_micros"]) == (3, 16_500)

    update(project=project)
    built = run("annotation.snapshot", project, query={"scope": "judge"}, name="first")
    assert built.state == State.SUCCEEDED, built.error
    snapshot = Snapshot.objects.get()
    made = run("annotation.export", project, snapshot=snapshot.pk, shape="trl", format="jsonl")
    assert made.state == State.SUCCEEDED, made.error
    row = Export.objects.get()
    assert (row.rows, row.job_id) == (3, made.pk)
    assert len((tmp_path / row.path).read_text().splitlines()) == 3


def test_things_of_another_project_are_not_found() -> None:
    mine, other = make_project(), make_project()
    make_recorded_label(make_instance(other), origin="judge", annotator="gpt")
    (judge,) = ensure_recorded(project=other)
    budget = create_budget(project=mine, name="b", limit_micros=1)
    assert run("annotation.judge", mine, judge=judge.pk).state == State.FAILED
    assert run("annotation.judge", other, judge=judge.pk, budget=budget.pk).state == State.FAILED
    failed = run("annotation.judge", other, judge=judge.pk, criterion="beauty")
    assert "beauty" in failed.error
