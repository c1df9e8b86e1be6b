"""The REST interface of schedules, of the check before a run, and of model folders."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Project, Role
from jobs.models import Job
from tests.factories import make_project
from tests.training.small import OPTIONS, make_snapshot
from tests.training.test_runs_api import body, client_of, make_run
from training.registry.models import ModelVersion
from training.runs.models import Run, Schedule
from training.runs.services import workdir_of

pytestmark = pytest.mark.django_db


def url(project: Project, rest: str) -> str:
    return f"/api/v1/projects/{project.slug}/{rest}"


def test_a_schedule_is_made_seen_changed_and_removed() -> None:
    project = make_project()
    client = client_of(project)
    sent = {"every_hours": 24, "on_drift": True, "least_labels": 50, "options": OPTIONS}
    made = client.put(url(project, "schedules/reward/"), sent, format="json")
    assert made.status_code == 200, made.json()
    assert made.json()["due_at"]
    [listed] = client.get(url(project, "schedules/")).json()["results"]
    assert listed == made.json()
    assert (listed["kind"], listed["least_labels"], listed["new_labels"]) == ("reward", 50, 0)
    again = client.put(url(project, "schedules/reward/"), {"every_labels": 5}, format="json")
    assert (again.json()["every_labels"], again.json()["every_hours"]) == (5, None)
    assert Schedule.objects.count() == 1
    assert client.delete(url(project, "schedules/reward/")).status_code == 204
    assert client.delete(url(project, "schedules/reward/")).status_code == 404
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"every_hours": -1},
        {"every_hours": "soon"},
        {"every_hours": 10**30},
        {"every_labels": 5, "options": "many"},
        {"every_labels": 5, "options": {"continue_from": "x"}},
        {"every_labels": 5, "options": {"data": {"train": "/etc/passwd"}}},
        {"every_labels": 5, "options": {"a\0": 1}},
        {"every_labels": 5, "query": {"scope": "everything"}},
    ],
)
def test_a_wrong_schedule_is_a_problem_and_nothing_is_written(sent: dict[str, Any]) -> None:
    project = make_project()
    answer = client_of(project).put(url(project, "schedules/reward/"), sent, format="json")
    assert answer.status_code in (400, 422), answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    wrong_kind = client_of(project).put(url(project, "schedules/judge/"), sent, format="json")
    assert wrong_kind.status_code in (400, 422)
    assert not Schedule.objects.exists()


def test_a_check_says_what_a_run_would_be_and_writes_nothing() -> None:
    project = make_project()
    snapshot = make_snapshot(project).pk
    client = client_of(project)
    found = client.post(url(project, "runs/check"), body(snapshot), format="json").json()
    assert found["settings"]["steps"] == 6
    assert "data" not in found["settings"]
    assert found["memory"]["fits"]
    assert 0 < found["memory"]["needed"] < found["memory"]["available"]
    huge = {"base": {"scratch": {"hidden_size": 8192, "layers": 80, "heads": 64}}}
    found = client.post(
        url(project, "runs/check"), body(snapshot, options=huge), format="json"
    ).json()
    assert not found["memory"]["fits"]
    assert found["memory"]["advice"]
    wrong = client.post(
        url(project, "runs/check"), body(snapshot, options={"stepz": 1}), format="json"
    )
    assert wrong.status_code == 422
    assert not Run.objects.exists()
    assert not Job.objects.exists()


def make_version(project: Project) -> tuple[ModelVersion, Path]:
    run = make_run(project)
    version = ModelVersion.objects.create(
        project=project, run=run, kind="reward", version=1, folder=f"{run.folder}/model"
    )
    folder = workdir_of(run) / "model"
    (folder / "adapter").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "adapter" / "weights").write_bytes(b"w" * 3_000_001)
    return version, folder


def test_a_model_folder_comes_as_a_stream_that_tar_reads() -> None:
    project = make_project()
    version, _ = make_version(project)
    answer = client_of(project).get(url(project, f"models/{version.pk}/files"))
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="reward-model-v1.tar"'
    pieces = list(answer.streaming_content)  # type: ignore[attr-defined]
    assert max(map(len, pieces)) <= 1 << 20
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        sizes = {member.name: member.size for member in tar}
    assert sizes == {
        "reward-model-v1/adapter/weights": 3_000_001,
        "reward-model-v1/config.json": 2,
    }


def test_only_members_who_train_see_any_of_it() -> None:
    project = make_project()
    version, _ = make_version(project)
    annotator, outsider = client_of(project, Role.ANNOTATOR), client_of(make_project())
    for client, status in ((annotator, 403), (outsider, 404), (APIClient(), 401)):
        assert client.get(url(project, "schedules/")).status_code == status
        assert client.put(url(project, "schedules/reward/"), {}).status_code == status
        assert client.delete(url(project, "schedules/reward/")).status_code == status
        assert client.post(url(project, "runs/check"), {}).status_code == status
        assert client.get(url(project, f"models/{version.pk}/files")).status_code == status
    other = make_project()
    forged = client_of(other).get(url(other, f"models/{version.pk}/files"))
    assert forged.status_code == 404
