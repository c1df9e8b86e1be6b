"""The upload page: look first, then import; and media for members only."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import Project, Role
from annotation.instances.media import keep_media
from annotation.instances.models import Instance, MediaFile
from annotation.instances.uploads import Bundle, keep_upload, ticket_of
from jobs.models import Job
from tests.factories import make_instance, make_member, make_project

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"


@pytest.fixture
def project() -> Project:
    return make_project("Ours")


@pytest.fixture
def researcher(client: Client, project: Project) -> Client:
    client.force_login(make_member(project, Role.RESEARCHER))
    return client


def lines(*ids: str) -> bytes:
    rows = [
        {"id": each, "prompt": f"Prompt of {each}", "responses": [{"text": "**A**"}, {"text": "B"}]}
        for each in ids
    ]
    return "\n".join(json.dumps(row) for row in rows).encode() + b"\nbroken\n"


def sent(client: Client, project: Project, *files: tuple[str, bytes]) -> Any:
    uploads = [SimpleUploadedFile(name, content) for name, content in files]
    return client.post(f"/p/{project.slug}/upload/file/", {"files": uploads}, follow=True)


def test_the_page_explains_the_format(researcher: Client, project: Project) -> None:
    page = researcher.get(f"/p/{project.slug}/upload/").content.decode()
    assert 'type="file"' in page
    assert "&quot;responses&quot;" in page or '"responses"' in page


def test_a_file_is_shown_before_anything_is_imported(researcher: Client, project: Project) -> None:
    make_instance(project, ("x", "y"), external_id="q2", prompt="Other")
    response = sent(researcher, project, ("my.jsonl", lines("q1", "q2")))
    page = response.content.decode()
    assert response.status_code == 200
    assert "1 new" in page
    assert "1 changed" in page
    assert "1 refused" in page
    assert "malformed JSON" in page
    assert "<strong>A</strong>" in page
    assert not Instance.objects.filter(external_id="q1").exists()
    assert not Job.objects.exists()


def test_what_was_looked_at_is_imported(researcher: Client, project: Project) -> None:
    upload = keep_upload(name="my.jsonl", chunks=[lines("q1")])
    ticket = ticket_of(Bundle.of_upload(upload), project)
    response = researcher.post(f"/p/{project.slug}/upload/start/", {"ticket": ticket})
    job = Job.objects.get()
    assert response["Location"] == f"/p/{project.slug}/jobs/{job.pk}/"
    assert job.arguments == {
        "file": upload.file,
        "name": "my.jsonl",
        "adapter": "auto",
        "options": {},
        "reveal": False,
        "dry_run": False,
        "create_criteria": False,
    }
    assert "my.jsonl" in researcher.get(f"/p/{project.slug}/upload/").content.decode()


@pytest.mark.parametrize("of", ["forged", "other project"])
def test_a_foreign_ticket_is_refused(researcher: Client, project: Project, of: str) -> None:
    upload = keep_upload(name="my.jsonl", chunks=[lines("q1")])
    there = ticket_of(Bundle.of_upload(upload), make_project())
    ticket = there if of == "other project" else upload.file
    response = researcher.post(f"/p/{project.slug}/upload/start/", {"ticket": ticket})
    assert response.status_code == 422
    assert "hand the file in again" in response.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([], "Choose a file first"),
        ([("a.jsonl", b"{}"), ("b.zip", b"PK")], "one file of instances at a time"),
        ([("a.zip", b"no zip")], "cannot be opened"),
        ([("a.svg", b"<svg onload=alert(1)>")], "none of the media"),
    ],
)
def test_a_bad_choice_is_explained(
    researcher: Client, project: Project, files: list[tuple[str, bytes]], text: str
) -> None:
    response = sent(researcher, project, *files)
    assert response.status_code == 422
    assert text in response.content.decode()
    assert not MediaFile.objects.exists()


def test_a_request_that_is_too_large_leaves_no_file(
    researcher: Client, project: Project, settings: Settings, tmp_path: Path
) -> None:
    settings.IMPORT_MAX_BYTES = -(64 * 2**20) + 100
    response = sent(researcher, project, ("a.jsonl", b"x" * 1000))
    assert response.status_code == 422
    assert "larger than" in response.content.decode()
    assert not (tmp_path / "uploads").exists()


def test_media_come_with_their_lines(researcher: Client, project: Project) -> None:
    row = {"id": "q1", "prompt": "p", "responses": [
        {"parts": [{"type": "image", "file": "cat.png", "alt": "A cat"}]}, {"text": "B"},
    ]}  # fmt: skip
    response = sent(researcher, project, ("cat.png", PNG), ("a.jsonl", json.dumps(row).encode()))
    digest = MediaFile.objects.get(project=project).sha256
    page = response.content.decode()
    assert f'src="/p/{project.slug}/media/{digest}/"' in page
    assert 'alt="A cat"' in page
    assert "1 media file is kept" in page


@pytest.fixture
def address(project: Project) -> str:
    row = keep_media(project=project, name="cat.html", chunks=[PNG])
    return f"/p/{project.slug}/media/{row.sha256}/"


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_a_medium_is_served_so_that_it_cannot_act(
    client: Client, project: Project, address: str
) -> None:
    client.force_login(make_member(project, Role.ANNOTATOR))
    response = client.get(address)
    assert body(response) == PNG
    assert response["Content-Type"] == "image/png"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"
    assert client.get(address, headers={"If-None-Match": response["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=1000-", (1000, len(PNG) - 1)),
        ("bytes=-5", (len(PNG) - 5, len(PNG) - 1)),
        ("bytes=5-999999", (5, len(PNG) - 1)),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=-", None),
    ],
)
def test_a_film_is_read_in_ranges(
    researcher: Client, address: str, asked: str, span: tuple[int, int] | None
) -> None:
    response = researcher.get(address, headers={"Range": asked})
    first, last = span or (0, len(PNG) - 1)
    assert response.status_code == (206 if span else 200)
    assert body(response) == PNG[first : last + 1]
    assert response["Content-Length"] == str(last + 1 - first)
    assert response.get("Content-Range") == (f"bytes {first}-{last}/{len(PNG)}" if span else None)


@pytest.mark.parametrize("asked", ["bytes=99999-", "bytes=9-5", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused(
    researcher: Client, address: str, asked: str
) -> None:
    response = researcher.get(address, headers={"Range": asked})
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(PNG)}"


def test_another_project_does_not_have_the_file(researcher: Client, address: str) -> None:
    other = make_project("Theirs")
    keep_media(project=other, name="dog.png", chunks=[PNG + b"dog"])
    digest = MediaFile.objects.get(project=other).sha256
    assert researcher.get(address.rsplit("/", 2)[0] + f"/{digest}/").status_code == 404
