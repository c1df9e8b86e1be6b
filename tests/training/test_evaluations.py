"""Evaluations of a version: started over REST, run by their job, read by the gate."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Role
from jobs.runner import run as run_job
from tests.factories import make_project
from tests.training.judges import make_reward_version
from tests.training.small import make_snapshot
from tests.training.test_registry import GOOD, good_versions
from tests.training.test_runs_api import client_of
from training.registry import evaluations
from training.registry.models import Evaluation, ModelVersion

pytestmark = pytest.mark.django_db


def url(version: ModelVersion, rest: str) -> str:
    return f"/api/v1/projects/{version.project.slug}/models/{version.pk}/{rest}"


def upload(name: str, text: str) -> io.BytesIO:
    file = io.BytesIO(text.encode())
    file.name = name
    return file


def llmbar(count: int) -> str:
    entries = [
        {"input": f"Question {k}?", "output_1": "right kind", "output_2": "wrong", "label": 1}
        for k in range(count)
    ]
    return json.dumps(entries)


def run_evaluation(row: Evaluation) -> Evaluation:
    assert row.job is not None
    run_job(row.job.pk, owner="test", heartbeat=False)
    row.refresh_from_db()
    return row


def test_a_model_is_evaluated_on_benchmarks_and_other_test_rows() -> None:
    version = make_reward_version(make_project(), Path(settings.MEDIA_ROOT))
    client = client_of(version.project)
    sent = {"name": "llmbar", "file": upload("dataset.json", llmbar(3))}
    made = client.post(url(version, "evaluations/"), sent, format="multipart")
    assert made.status_code == 201, made.json()
    row = run_evaluation(Evaluation.objects.get(pk=made.json()["id"]))
    assert row.figures["entries"] == 3
    assert 0 <= row.figures["score"] <= 1
    # Twelve completions of one prompt: more than a training row may have.
    ties = {
        "id": "tied:1",
        "prompt": "Name a colour.",
        "chosen": [f"right {k}" for k in range(10)],
        "rejected": ["wrong", "rude"],
        "subset": "Ties",
    }
    folder = settings.MODEL_ROOTS[0] / "benchmarks"
    folder.mkdir(parents=True)
    (folder / "two.jsonl").write_text(json.dumps(ties))
    row = run_evaluation(
        evaluations.start_evaluation(
            version=version,
            name="rewardbench2",
            source={"path": "benchmarks/two.jsonl"},
            created_by=None,
        )
    )
    assert set(row.figures["ties"]) >= {"tied_accuracy", "score"}
    other = make_snapshot(version.project, test=30)
    made = client.post(
        url(version, "evaluations/"), {"name": "safety", "snapshot": other.pk}, format="json"
    )
    row = run_evaluation(Evaluation.objects.get(pk=made.json()["id"]))
    assert row.figures["pairs"] == 30
    assert set(row.figures["by_source"]) == {"human"}
    listed = client.get(url(version, "evaluations/")).json()
    assert [each["name"] for each in listed["results"]] == ["safety", "rewardbench2", "llmbar"]
    assert {each["state"] for each in listed["results"]} == {"succeeded"}


@pytest.mark.parametrize(
    "source",
    [
        {"path": "../secrets.jsonl"},
        {"path": "/etc/passwd"},
        {"path": ""},
        {"file": "../../etc/passwd"},
        {"file": "benchmarks/../runs/1/config.json"},
        {"file": "benchmarks/0/data.json"},
    ],
)
def test_files_elsewhere_are_not_read(source: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "secrets.jsonl").write_text("{}")
    [version] = good_versions(1)
    refused = client_of(version.project).post(
        url(version, "evaluations/"), {"name": "llmbar", **source}, format="json"
    )
    assert refused.status_code in (400, 422), refused.json()
    assert not Evaluation.objects.exists()


def test_what_cannot_be_evaluated_is_refused() -> None:
    [version] = good_versions(1)
    client = client_of(version.project)
    foreign = make_snapshot(make_project())
    for body in (
        {"name": "mine"},
        {"name": "mine", "snapshot": foreign.pk},
        {"name": "llmbar"},
        {"name": "llmbar", "file": upload("weights.pkl", "no")},
    ):
        format_ = "multipart" if "file" in body else "json"
        assert client.post(url(version, "evaluations/"), body, format=format_).status_code == 422
    ModelVersion.objects.filter(pk=version.pk).update(kind="policy")
    sent = {"name": "llmbar", "file": upload("dataset.json", llmbar(1))}
    refused = client.post(url(version, "evaluations/"), sent, format="multipart")
    assert "reward models" in refused.json()["detail"]
    assert not Evaluation.objects.exists()


def test_the_gate_is_read_by_researchers_and_set_by_admins() -> None:
    [version] = good_versions(1)
    path = f"/api/v1/projects/{version.project.slug}/gates/reward/"
    researcher, admin = (client_of(version.project, r) for r in (Role.RESEARCHER, Role.ADMIN))
    assert researcher.get(path).json()["thresholds"]["minimum_prompts"] == 20
    body = {"thresholds": {"minimum_accuracy": 0.75}}
    assert researcher.put(path, body, format="json").status_code == 403
    assert admin.put(path, body, format="json").json()["thresholds"]["minimum_accuracy"] == 0.75
    assert admin.put(path, {"thresholds": {"x": 1}}, format="json").status_code == 422
    assert admin.get(path.replace("reward", "both")).status_code == 404
    refused = researcher.post(url(version, "promote"), {"stage": "production"}, format="json")
    assert refused.status_code == 409
    assert "held-out accuracy is 0.800, its lower confidence bound 0.700" in str(refused.json())
    reason = {"stage": "production", "override_reason": "It is the first."}
    assert researcher.post(url(version, "promote"), reason, format="json").status_code == 403
    moved = admin.post(url(version, "promote"), reason, format="json")
    assert (moved.status_code, moved.json()["stage"]) == (200, "production")
    assert moved.json()["metrics"] == GOOD


def test_a_new_probe_is_frozen_by_admins_only() -> None:
    project = make_project()
    snapshot = make_snapshot(project)
    path = f"/api/v1/projects/{project.slug}/probes/reward/"
    admin = client_of(project, Role.ADMIN)
    assert (
        client_of(project).post(path, {"snapshot": snapshot.pk}, format="json").status_code == 403
    )
    assert admin.post(path, {"snapshot": snapshot.pk}, format="json").status_code == 201
    assert admin.post(path, {"snapshot": snapshot.pk + 1}, format="json").status_code == 422
    assert [each["number"] for each in admin.get(path).json()["results"]] == [1]


def test_outsiders_see_nothing() -> None:
    [version] = good_versions(1)
    client = client_of(make_project())
    assert client.get(url(version, "evaluations/")).status_code == 404
    assert client.post(url(version, "promote"), {"stage": "archived"}).status_code == 404
    stranger = client_of(version.project, Role.ANNOTATOR)
    assert stranger.get(url(version, "evaluations/")).status_code == 403
