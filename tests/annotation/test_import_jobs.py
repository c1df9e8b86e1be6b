"""The import job: dry runs, attempts that go on after a kill, formats that are not clear."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.models import Project
from annotation.instances import importing
from annotation.instances.models import ImportProgress, Instance, RecordedLabel
from annotation.instances.signals import instances_arrived
from annotation.instances.uploads import Choices, start_import
from annotation.labels.models import Annotation
from annotation.labels.signals import annotation_submitted
from jobs.models import Job, State
from jobs.runner import run
from tests.factories import make_project

pytestmark = pytest.mark.django_db
Given = dict[str, Any]


@pytest.fixture(autouse=True)
def _var(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path


def record(number: int, **changes: Any) -> Given:
    return {
        "id": f"r{number}",
        "prompt": f"Prompt {number}",
        "responses": [{"text": "a"}, {"text": "b"}],
        "human": [{"annotator": "h", "ranking": [1, 2]}],
    } | changes


def packed(rows: Iterable[Given]) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


def import_(project: Project, rows: Iterable[Given], **choices: Any) -> Job:
    job = start_import(
        project=project, name="in.jsonl", chunks=packed(rows), choices=Choices(**choices)
    )
    return ran(job)


def ran(job: Job) -> Job:
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


def result(job: Job) -> Given:
    assert (job.state, job.error) == (State.SUCCEEDED, "")
    assert job.result is not None
    return dict(job.result)


def test_a_dry_run_says_what_an_import_does_and_writes_nothing(
    django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that what earlier batches would have created counts too.
    monkeypatch.setattr(importing, "BATCH", 2)
    project = make_project()
    import_(project, [record(1), record(2), record(3), record(4)])
    more = [{"annotator": "h", "ranking": [1, 2]}, {"annotator": "h2", "ranking": [2, 1]}]
    rows = [
        record(1),
        record(2, meta={"source": "x"}),
        record(3, human=more),
        record(4, prompt="Other"),
        record(5),
        record(6, human=[]),
        record(7, prompt="Prompt 5"),
        record(5, prompt="Again"),
        record(8, prompt=""),
    ]
    before = [list(model.objects.values()) for model in (Instance, RecordedLabel, Annotation)]
    heard: list[object] = []

    def listen(**told: Any) -> None:
        heard.append(told)

    for signal in (instances_arrived, annotation_submitted):
        signal.connect(listen, dispatch_uid="dry")
    with django_capture_on_commit_callbacks(execute=True):
        dry = result(import_(project, rows, dry_run=True))
    for signal in (instances_arrived, annotation_submitted):
        signal.disconnect(dispatch_uid="dry")
    after = [list(model.objects.values()) for model in (Instance, RecordedLabel, Annotation)]
    assert (before, heard) == (after, [])
    counts = {name: dry[name] for name in importing.COUNTS}
    assert counts == {
        "created": 2,
        "unchanged": 2,
        "updated": 1,
        "duplicates": 1,
        "labels": 2,
        "refused": 3,
    }
    assert {(each["id"], each["what"], *each["fields"]) for each in dry["diff"]} == {
        ("r2", "updated", "meta"),
        ("r3", "label added", "human"),
        ("r4", "refused"),
        ("r5", "created"),
        ("r6", "created"),
        ("r5", "refused"),
        ("r8", "refused"),
    }
    real = result(import_(project, rows))
    assert (dry["dry_run"], real["dry_run"]) == (True, False)
    assert {**dry, "dry_run": False} == real


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_an_attempt_after_a_kill_goes_on_and_reports_the_whole(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 3)
    project = make_project()
    rows = [record(number) for number in range(10)]
    rows[1:1] = [{"broken": True}, record(0), record(0, prompt="Other")]
    whole = result(import_(make_project(), rows))
    job = start_import(project=project, name="in.jsonl", chunks=packed(rows))
    parsed = _killed(job, cut, monkeypatch)
    assert 0 < Instance.objects.filter(project=project).count() < 10
    kept = ImportProgress.objects.get(job=job)
    assert kept.rows == parsed
    written = Annotation.objects.filter(project=project).count()
    again = result(ran(job))
    assert {**again, "diff": []} == {**whole, "diff": []}
    assert len(again["diff"]) == len(whole["diff"])
    assert Annotation.objects.filter(project=project).count() == 10 > written


def _killed(job: Job, batches: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the job until so many batches are written, as far as a kill lets it; the rows done."""

    class Killed(BaseException):
        pass

    write = importing.Importer.write
    seen: list[int] = []

    def die(self: importing.Importer, file: int = 0, rows: int = 0) -> None:
        if len(seen) == batches:
            raise Killed
        write(self, file, rows)
        seen.append(rows)

    with monkeypatch.context() as patch:
        patch.setattr(importing.Importer, "write", die)
        with pytest.raises(Killed):
            run(job.pk, owner="killed", heartbeat=False)
    # Its lease has run out.
    Job.objects.filter(pk=job.pk).update(state=State.QUEUED, lease_until=None)
    return seen[-1]


def test_an_attempt_that_lost_its_job_writes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    project = make_project()
    rows = [record(number) for number in range(6)]
    job = start_import(project=project, name="in.jsonl", chunks=packed(rows))
    count = importing.Importer._count

    def taken(self: importing.Importer, batch: Any) -> None:
        count(self, batch)
        if self.counts["created"] == 4:
            ImportProgress.objects.filter(job=job).update(attempt=99)

    monkeypatch.setattr(importing.Importer, "_count", taken)
    ran(job)
    assert Instance.objects.filter(project=project).count() == 2
    assert job.result is None


def test_rows_that_look_like_nothing_known_are_asked_about() -> None:
    project = make_project()
    job = import_(project, [{"colour": "red", "size": 3}])
    assert job.state == State.FAILED
    assert "Choose a format" in job.error
    assert not Instance.objects.exists()


def test_other_formats_are_recognised_and_named() -> None:
    rows = [
        {"prompt": f"Prompt {number}", "chosen": "good", "rejected": "bad"} for number in range(3)
    ]
    project = make_project()
    done = result(import_(project, rows))
    assert done["created"] == 3
    assert "trl" in done["adapter"]
    assert Annotation.objects.filter(project=project).count() == 3


def test_criteria_are_made_only_where_somebody_wants_them() -> None:
    project = make_project()
    rows = [record(1, human=[{"annotator": "h", "criterion": "tone", "scores": [1, 5]}])]
    refused = result(import_(project, rows))
    assert "the project asks overall" in refused["errors"][0]["reason"]
    done = result(import_(project, rows, create_criteria=True))
    assert (done["created"], done["refused"]) == (1, 0)
    row = Annotation.objects.get()
    assert (row.criterion.key, row.scores) == ("tone", [1, 5])
    assert RecordedLabel.objects.get().imported_by is not None


def test_a_batch_takes_as_many_statements_however_large(
    django_assert_max_num_queries: Any,
) -> None:
    project = make_project()
    import_(project, [record(0)])
    job = start_import(
        project=project, name="in.jsonl", chunks=packed(record(n) for n in range(1, 400))
    )
    with django_assert_max_num_queries(90, connection=connection):
        ran(job)
    assert Annotation.objects.filter(project=project).count() == 400
