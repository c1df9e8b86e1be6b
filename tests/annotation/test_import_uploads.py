"""The import job and its routes."""

import gzip
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import UnreadablePostError
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.instances.sources import parse_source
from annotation.instances.uploads import Bundle, import_bundle, start_import
from annotation.judges.models import Judge
from core.exceptions import ApplicationError, InvalidInput
from jobs.models import Job, State
from jobs.runner import run
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _var(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path


def line(number: int) -> bytes:
    record = {
        "id": f"r{number}",
        "prompt": f"Prompt {number}",
        "responses": [{"text": "a"}, {"text": "b"}],
        "human": [{"annotator": "h", "ranking": [1, 2]}],
    }
    return json.dumps(record).encode() + b"\n"


def ran(job: Job) -> Job:
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


def test_the_job_imports_the_file_and_reports() -> None:
    project = make_project()
    content = gzip.compress(line(1) + b"broken\n" + line(2))
    job = ran(start_import(project=project, name="my.jsonl.gz", chunks=[content]))
    assert (job.state, job.error) == (State.SUCCEEDED, "")
    assert job.result is not None
    assert (job.result["created"], job.result["labels"], job.result["refused"]) == (2, 2, 1)
    assert (job.done, job.total) == (3, 3)
    assert "line 2" in job.log.get().message
    assert set(Instance.objects.values_list("imported_by", flat=True)) == {job.pk}


def test_a_job_without_its_file_fails_with_a_reason(tmp_path: Path) -> None:
    job = start_import(project=make_project(), name="a.jsonl", chunks=[line(1)])
    (upload,) = (tmp_path / "uploads").iterdir()
    upload.unlink()
    assert ran(job).state == State.FAILED
    assert "hand it in again" in job.error


def test_other_kinds_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\.jsonl"):
        start_import(project=make_project(), name="labels.xlsx", chunks=[b"x"])
    assert not Job.objects.exists()


def test_a_full_disk_leaves_neither_file_nor_job(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(ApplicationError, match="No space left"):
        start_import(project=make_project(), name="a.jsonl", chunks=chunks())
    assert not list((tmp_path / "uploads").iterdir())
    assert not Job.objects.exists()


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    start_import(project=make_project(), name="../../evil.jsonl", chunks=[b""])
    (upload,) = (tmp_path / "uploads").iterdir()
    assert upload.suffix == ".jsonl"


def test_who_leaves_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise UnreadablePostError("request data read error")

    with pytest.raises(ApplicationError, match="could not be kept"):
        start_import(project=make_project(), name="a.jsonl", chunks=chunks())
    assert not list((tmp_path / "uploads").iterdir())
    assert not Job.objects.exists()


def test_old_files_go_but_those_that_a_job_will_read(tmp_path: Path) -> None:
    project = make_project()
    waits = start_import(project=project, name="a.jsonl", chunks=[line(1)])
    source = {"kind": "url", "url": "https://example.org/a.jsonl"}
    fetching = import_bundle(project=project, bundle=Bundle.of_source(parse_source(source)))
    folder = tmp_path / "uploads"
    names = {
        "waiting": waits.arguments["file"],
        "fetched": f"{fetching.arguments['stem']}-0.jsonl",
        "old": "old.jsonl",
        "unfinished": "x.part",
        "new": "new.jsonl",
    }
    for name in names.values():
        (folder / name).touch()
        if name != "new.jsonl":
            os.utime(folder / name, (0, 0))
    start_import(project=project, name="b.jsonl", chunks=[line(2)])
    left = {each.name for each in folder.iterdir()}
    assert {key for key, name in names.items() if name in left} == {"waiting", "fetched", "new"}


def logged_in(project: Project, role: Role) -> Client:
    client = Client()
    client.force_login(make_member(project, role))
    return client


def test_a_researcher_hands_in_a_file() -> None:
    project = make_project()
    client = logged_in(project, Role.RESEARCHER)
    file = SimpleUploadedFile("a.jsonl", line(1))
    answer = client.post(f"/api/v1/projects/{project.slug}/imports/", {"file": file})
    assert answer.status_code == 202
    assert ran(Job.objects.get(pk=answer.json()["job"])).state == State.SUCCEEDED
    assert Instance.objects.count() == 1


@pytest.mark.parametrize("route", ["instances", "imports", "progress"])
def test_an_annotator_may_neither_import_nor_look(route: str) -> None:
    project = make_project()
    client = logged_in(project, Role.ANNOTATOR)
    url = f"/api/v1/projects/{project.slug}/{route}/"
    assert (client.post(url) if route == "imports" else client.get(url)).status_code == 403


def test_instances_come_by_the_page() -> None:
    project = make_project()
    made = [make_instance(project).pk for _ in range(101)]
    make_instance(make_project())
    client = logged_in(project, Role.REVIEWER)
    url = f"/api/v1/projects/{project.slug}/instances/"
    first = client.get(url).json()
    rest = client.get(url, {"cursor": first["next"]}).json()
    assert [each["id"] for each in first["results"] + rest["results"]] == made
    assert (len(first["results"]), rest["next"]) == (100, None)
    assert len(first["results"][0]["completions"]) == 2
    assert client.get(url, {"cursor": "x"}).status_code == 422


def test_judges_whose_labels_come_along_are_judges_of_the_project() -> None:
    project = make_project()
    record = {
        "id": "r1",
        "prompt": "Prompt",
        "responses": [{"text": "a"}, {"text": "b"}],
        "ai": [{"judge": "gpt-4", "ranking": [1, 2]}],
    }
    content = json.dumps(record).encode()
    for _ in range(2):
        ran(start_import(project=project, name="a.jsonl", chunks=[content]))
    judge = Judge.objects.get(project=project)
    assert (judge.name, judge.provider) == ("gpt-4", "recorded")
    assert judge.annotator.annotations.count() == 1


def test_a_connection_that_breaks_leaves_nothing(
    live_server: LiveServer, tmp_path: Path, settings: Settings
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    project = make_project()
    client = logged_in(project, Role.RESEARCHER)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    token = "t" * 32
    with socket.create_connection((live_server.thread.host, live_server.thread.port)) as link:
        link.sendall(
            f"POST /api/v1/projects/{project.slug}/imports/ HTTP/1.1\r\n"
            f"Host: {live_server.thread.host}\r\n"
            f"Cookie: {settings.SESSION_COOKIE_NAME}={session}; csrftoken={token}\r\n"
            f"X-CSRFToken: {token}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {2**24}\r\n\r\n"
            "--b\r\n"
            'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'.encode()
        )
        link.sendall(line(1) * 2**15)
    answer = client.get(f"/api/v1/projects/{project.slug}/instances/")
    assert answer.status_code == 200
    deadline = time.monotonic() + 10
    while list(tmp_path.glob("*.upload*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(tmp_path.glob("*.upload*"))
    assert not (tmp_path / "uploads").exists()
    assert not Job.objects.exists()
