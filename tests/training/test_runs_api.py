"""The REST interface of runs."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Project, Role
from jobs.models import Job
from tests.factories import make_member, make_project
from tests.training.small import OPTIONS, make_snapshot
from training.runs.models import Metric, Run
from training.runs.services import start_run

pytestmark = pytest.mark.django_db


def client_of(project: Project, role: Role = Role.RESEARCHER) -> APIClient:
    client = APIClient()
    client.force_authenticate(make_member(project, role))
    return client


def url(project: Project, rest: str = "") -> str:
    return f"/api/v1/projects/{project.slug}/runs/{rest}"


def make_run(project: Project) -> Run:
    snapshot = make_snapshot(project)
    return start_run(project=project, kind="reward", snapshot=snapshot, options=OPTIONS)


def body(snapshot: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "reward", "snapshot": snapshot, "options": OPTIONS} | fields


def test_a_researcher_starts_a_run_and_sees_it() -> None:
    project = make_project()
    client = client_of(project)
    made = client.post(url(project), body(make_snapshot(project).pk, name="A"), format="json")
    assert made.status_code == 201, made.json()
    assert (made.json()["preset"], made.json()["job"]["state"]) == ("bt", "queued")
    [listed] = client.get(url(project)).json()["results"]
    assert listed == made.json()
    Metric.objects.create(run_id=listed["id"], step=1, values={"loss": 0.7})
    detail = client.get(url(project, f"{listed['id']}/")).json()
    assert detail["metrics"] == {"train": {"loss": [[1, 0.7]]}}
    assert detail["settings"]["steps"] == 6
    assert "data" not in detail["settings"]


@pytest.mark.parametrize("text", [r"a\u0000b", r"\ud800"])
def test_options_that_cannot_be_stored_are_refused(text: str) -> None:
    project = make_project()
    sent = json.dumps(body(make_snapshot(project).pk, options={"base": {"path": "HERE"}}))
    refused = client_of(project).post(
        url(project), sent.replace("HERE", text), content_type="application/json"
    )
    assert refused.status_code == 400
    assert "cannot be stored" in refused.json()["detail"]
    assert not Run.objects.exists()


def test_a_run_is_cancelled_and_resumed() -> None:
    project = make_project()
    run = make_run(project)
    client = client_of(project)
    cancelled = client.post(url(project, f"{run.pk}/cancel"))
    assert cancelled.json()["job"]["state"] == "cancelled"
    again = client.post(url(project, f"{run.pk}/cancel"))
    assert again.status_code == 409
    assert again.headers["Content-Type"] == "application/problem+json"
    resumed = client.post(url(project, f"{run.pk}/resume"))
    assert resumed.json()["job"]["state"] == "queued"
    assert Job.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [{"kind": "judge"}, {"options": {"stepz": 1}}, {"snapshot": 10**9}, {"options": "many"}],
)
def test_a_wrong_request_is_a_problem_and_nothing_is_written(fields: dict[str, Any]) -> None:
    project = make_project()
    sent = body(make_snapshot(project).pk) | fields
    answer = client_of(project).post(url(project), sent, format="json")
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert not Run.objects.exists()


def test_an_annotator_is_refused_and_an_outsider_sees_nothing() -> None:
    project = make_project()
    run = make_run(project)
    annotator, outsider = client_of(project, Role.ANNOTATOR), client_of(make_project())
    for client, status in ((annotator, 403), (outsider, 404), (APIClient(), 401)):
        assert client.get(url(project)).status_code == status
        assert client.post(url(project), body(1), format="json").status_code == status
        assert client.get(url(project, f"{run.pk}/")).status_code == status
        assert client.post(url(project, f"{run.pk}/cancel")).status_code == status
        assert client.post(url(project, f"{run.pk}/resume")).status_code == status
    assert Run.objects.count() == 1


def test_a_run_of_another_project_is_not_found_under_ours() -> None:
    run = make_run(make_project())
    ours = make_project()
    assert client_of(ours).get(url(ours, f"{run.pk}/")).status_code == 404
    assert client_of(ours).post(url(ours, f"{run.pk}/cancel")).status_code == 404
