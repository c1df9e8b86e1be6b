"""Importing over REST: files, sources, looking first, and a few instances at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.judges.models import Judge
from annotation.labels.models import Annotation
from jobs.models import Job, State
from jobs.runner import run
from tests.annotation.file_server import FileServer, serving
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _var(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.IMPORT_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def project() -> Project:
    return make_project("Ours")


@pytest.fixture
def api(client: Client, project: Project) -> str:
    client.force_login(make_member(project, Role.RESEARCHER))
    return f"/api/v1/projects/{project.slug}/"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


def kept(tmp_path: Path) -> list[str]:
    folder = tmp_path / "var" / "uploads"
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"q{number}",
        "prompt": f"Prompt {number}",
        "responses": [{"text": "a"}, {"text": "b"}],
        **more,
    }


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


def posted(client: Client, url: str, body: Any) -> Any:
    return client.post(url, json.dumps(body), content_type="application/json")


def ran(answer: Any) -> Job:
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(pk=answer.json()["job"])
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert (job.state, job.error) == (State.SUCCEEDED, "")
    return job


def test_a_url_is_imported_by_its_job(client: Client, api: str, server: FileServer) -> None:
    url = server.gives("/pairs.jsonl", lines(row(1), row(2)))
    answer = posted(client, api + "imports/", {"source": {"kind": "url", "url": url}})
    assert server.asked == []
    job = ran(answer)
    assert job.result is not None
    assert (job.result["created"], job.result["adapter"]) == (2, "interchange")
    assert Instance.objects.count() == 2
    assert Instance.objects.first().imported_by_id == job.pk  # type: ignore[union-attr]


def test_a_file_of_the_operator_is_imported(
    client: Client, api: str, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "corpora").mkdir()
    table = "prompt,left,right,winner,rater\n" + "".join(
        f"Question {number}?,Yes {number},No,left,ann\n" for number in range(4)
    )
    (tmp_path / "corpora" / "votes.csv").write_text(table)
    settings.IMPORT_ROOTS = [tmp_path / "corpora"]
    body = {
        "source": {"kind": "path", "path": "corpora/votes.csv"},
        "adapter": "columns",
        "options": {
            "prompt": "prompt",
            "completions": ["left", "right"],
            "winner": "winner",
            "annotator": "rater",
        },
    }
    job = ran(posted(client, api + "imports/", body))
    assert job.result is not None
    assert (job.result["created"], job.result["labels"]) == (4, 4)
    assert Annotation.objects.count() == 4
    assert (tmp_path / "corpora" / "votes.csv").exists()


def test_all_files_of_a_data_set_are_imported_by_one_job(
    client: Client, api: str, server: FileServer, settings: Settings
) -> None:
    commit = "b" * 40
    settings.HF_ENDPOINT = server.url
    files = {f"train-{part}.jsonl": lines(row(part)) for part in (1, 2, 3)}
    page = {
        "id": "lab/set",
        "sha": commit,
        "siblings": [{"rfilename": name, "size": len(files[name])} for name in files],
    }
    server.gives("/api/datasets/lab/set", json.dumps(page).encode())
    for name, content in files.items():
        server.gives(f"/datasets/lab/set/resolve/{commit}/{name}", content)
    body = {"source": {"kind": "hub", "dataset": "lab/set"}}
    job = ran(posted(client, api + "imports/", body))
    assert job.result is not None
    assert job.result["created"] == 3
    assert set(Instance.objects.values_list("external_id", flat=True)) == {"q1", "q2", "q3"}


def test_a_dry_run_changes_nothing(client: Client, api: str, project: Project) -> None:
    make_instance(project, ("x", "y"), external_id="q2", prompt="Other")
    file = SimpleUploadedFile("a.jsonl", lines(row(1), row(2)))
    job = ran(client.post(api + "imports/", {"file": file, "dry_run": "true"}))
    assert job.result is not None
    assert (job.result["created"], job.result["updated"]) == (1, 1)
    assert job.result["dry_run"] is True
    assert {each["id"]: each["what"] for each in job.result["diff"]} == {
        "q1": "created",
        "q2": "updated",
    }
    assert not Instance.objects.filter(external_id="q1").exists()


def test_a_form_that_says_nothing_has_the_defaults(client: Client, api: str) -> None:
    file = SimpleUploadedFile("a.jsonl", lines(row(1)))
    client.post(api + "imports/", {"file": file, "options": '{"annotator": "ann"}'})
    arguments = Job.objects.get().arguments
    assert (arguments["reveal"], arguments["adapter"]) == (True, "auto")
    assert arguments["options"] == {"annotator": "ann"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"source": {"kind": "url", "url": "http://169.254.169.254/x"}}, 422),
        ({"source": {"kind": "nonsense"}}, 422),
        ({"source": "url"}, 400),
        ({"source": {"kind": "path", "path": "a"}, "adapter": "pickle"}, 400),
        ({"source": {"kind": "path", "path": "a"}, "unknown": 1}, 400),
        ({"source": {"kind": "path", "path": "a"}, "options": [1]}, 400),
    ],
)
def test_a_wrong_body_starts_nothing(client: Client, api: str, body: Any, status: int) -> None:
    for route in ("imports/", "imports/preview"):
        answer = posted(client, api + route, body)
        assert answer.status_code == status
        assert answer["Content-Type"] == "application/problem+json"
    assert not Job.objects.exists()


def test_looking_imports_nothing_and_keeps_nothing(
    client: Client, api: str, tmp_path: Path
) -> None:
    file = SimpleUploadedFile("a.jsonl", lines(row(1), row(2)) + b"broken\n")
    answer = client.post(api + "imports/preview", {"file": file})
    assert answer.status_code == 200, answer.content
    look = answer.json()
    assert (look["adapter"], look["sure"], look["lines"], look["more"]) == (
        "interchange",
        True,
        3,
        False,
    )
    assert look["guesses"][0]["confidence"] > 0.9
    assert [each["name"] for each in look["columns"]] == ["id", "prompt", "responses"]
    assert (look["report"]["created"], look["report"]["refused"]) == (2, 1)
    assert look["instances"][0]["completions"][0]["text"] == "a"
    assert (Instance.objects.count(), Job.objects.count(), kept(tmp_path)) == (0, 0, [])


def test_looking_into_a_table_asks_what_its_columns_mean(
    client: Client, api: str, server: FileServer, tmp_path: Path
) -> None:
    url = server.gives("/x.csv", b"frage,links,rechts\nWas?,Ja,Nein\n")
    body: dict[str, Any] = {"source": {"kind": "url", "url": url}}
    look = posted(client, api + "imports/preview", body).json()
    assert (look["adapter"], look["sure"], look["report"]) == ("", False, None)
    assert look["columns"][0] == {"name": "frage", "values": ["Was?"]}
    body |= {
        "adapter": "columns",
        "options": {"prompt": "frage", "completions": ["links", "rechts"]},
    }
    look = posted(client, api + "imports/preview", body).json()
    assert look["report"]["created"] == 1
    assert kept(tmp_path) == []


def test_what_is_too_large_to_wait_for_is_said(
    client: Client, api: str, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.instances.sources.given.GLANCE_BYTES", 10)
    url = server.gives("/a.jsonl", lines(row(1)))
    answer = posted(client, api + "imports/preview", {"source": {"kind": "url", "url": url}})
    assert answer.status_code == 422
    assert "dry run" in answer.json()["detail"]


def test_a_few_instances_are_imported_at_once(client: Client, api: str) -> None:
    labelled = {
        "human": [{"annotator": "ann", "ranking": [1, 2]}],
        "ai": [{"judge": "gpt-4", "ranking": [2, 1]}],
    }
    body = {"instances": [row(1, **labelled), {"id": "bad"}, row(3)]}
    answer = posted(client, api + "instances/", body)
    assert answer.status_code == 200, answer.content
    report = answer.json()
    assert (report["created"], report["refused"], report["labels"]) == (2, 1, 2)
    assert report["errors"][0]["line"] == 2
    assert Annotation.objects.count() == 2
    assert Judge.objects.get().name == "gpt-4"
    again = posted(client, api + "instances/", body).json()
    assert (again["created"], again["unchanged"]) == (0, 2)


@pytest.mark.parametrize(
    "instances", [[], "x", [1], [{"id": str(number)} for number in range(1001)], None]
)
def test_other_than_a_few_instances_are_refused(client: Client, api: str, instances: Any) -> None:
    assert posted(client, api + "instances/", {"instances": instances}).status_code == 400
    assert not Instance.objects.exists()


def test_texts_that_cannot_be_stored_are_refused(client: Client, api: str) -> None:
    for bad in ("nul \0", "half \ud800"):
        answer = posted(client, api + "instances/", {"instances": [row(1, prompt=bad)]})
        assert answer.status_code == 400
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    answer = posted(client, api + "instances/", {"instances": [row(1, meta={"deep": deep})]})
    assert "nested too deeply" in answer.json()["errors"][0]["reason"]
    assert not Instance.objects.exists()


def test_criteria_that_labels_name_are_made_where_that_is_asked(
    client: Client, api: str, project: Project
) -> None:
    label = {"annotator": "ann", "ranking": [1, 2], "criterion": "honesty"}
    body: dict[str, Any] = {"instances": [row(1, human=[label])]}
    refused = posted(client, api + "instances/", body).json()
    assert (refused["created"], refused["refused"]) == (0, 1)
    report = posted(client, api + "instances/", {**body, "create_criteria": True}).json()
    assert (report["created"], report["labels"]) == (1, 1)
    assert project.criteria.filter(key="honesty").exists()
