"""The import page's other sources, the mapper of columns, dry runs and reports."""

import csv
import io
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import Project, Role
from annotation.instances.models import Instance
from annotation.instances.sources.looking import Column
from annotation.labels.models import Annotation
from annotation.projects.services import add_criterion
from frontend.mapping import mapped, options_of, suggested
from jobs.models import Job
from jobs.runner import run
from tests.annotation.file_server import FileServer, serving
from tests.factories import make_member, make_project

pytestmark = pytest.mark.django_db
TABLE = "frage,links,rechts,besser,wer\n" + "".join(
    f"Frage {number}?,Ja {number},Nein,{'A' if number % 2 else 'B'},r1\n" for number in range(6)
)
ROLES = ("prompt", "completions", "completions", "winner", "annotator")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    (tmp_path / "corpora" / "<b>").mkdir(parents=True)
    (tmp_path / "corpora" / "votes.csv").write_text(TABLE)
    settings.IMPORT_ROOTS = [tmp_path / "corpora"]
    settings.IMPORT_PRIVATE_HOSTS = ["127.0.0.1"]


@pytest.fixture
def project() -> Project:
    return make_project("Ours")


@pytest.fixture
def researcher(client: Client, project: Project) -> Client:
    client.force_login(make_member(project, Role.RESEARCHER))
    return client


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as running:
        yield running


def row(number: int, **more: Any) -> bytes:
    texts = [{"text": "a"}, {"text": "b"}]
    value = {"id": f"q{number}", "prompt": f"Prompt {number}", "responses": texts, **more}
    return json.dumps(value).encode() + b"\n"


def asked(client: Client, project: Project, **fields: str) -> Any:
    return client.post(f"/p/{project.slug}/upload/source/", fields)


def looked(client: Client, response: Any, **more: str) -> str:
    assert response.status_code == 302, response.content
    page = client.get(response["Location"], more)
    parts = urlsplit(response["Location"])
    ticket = parse_qs(parts.query)["ticket"][0]
    page = client.get(parts.path, {"ticket": ticket, **more})
    assert page.status_code == 200
    return str(page.content.decode())


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form that starts the import."""
    form = page[page.index("upload/start/") :]
    form = form[: form.index("</form>")]
    pairs = re.findall(r'name="(\w+)"\s+value="([^"]*)"', form)
    return {name: unescape(value) for name, value in pairs if name != "act"}


def ran(client: Client, project: Project, fields: dict[str, str]) -> Job:
    response = client.post(f"/p/{project.slug}/upload/start/", fields)
    job = Job.objects.latest("pk")
    assert response["Location"] == f"/p/{project.slug}/jobs/{job.pk}/"
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    return job


@pytest.mark.parametrize("place", ["file", "path", "url", "hub", "nonsense"])
def test_every_source_has_its_place(researcher: Client, project: Project, place: str) -> None:
    page = researcher.get(f"/p/{project.slug}/upload/", {"from": place}).content.decode()
    assert page.count('aria-current="page"') >= 1
    wanted = {"path": "corpora", "url": 'name="url"', "hub": 'name="dataset"'}
    assert wanted.get(place, 'type="file"') in page


def test_a_folder_is_walked(researcher: Client, project: Project) -> None:
    url = f"/p/{project.slug}/upload/"
    page = researcher.get(url, {"from": "path", "folder": "corpora"}).content.decode()
    assert 'value="corpora/votes.csv"' in page
    assert "&lt;b&gt;" in page
    assert "folder=corpora%2F%3Cb%3E" in page
    gone = researcher.get(url, {"from": "path", "folder": "corpora/../.."})
    assert gone.status_code == 404
    assert "no such folder" in gone.content.decode()


def test_a_table_is_mapped_and_imported(researcher: Client, project: Project) -> None:
    found = asked(researcher, project, kind="path", path="corpora/votes.csv")
    page = looked(researcher, found)
    assert "It is not clear what this file is" in page
    assert "Frage 0?" in page
    roles = {f"role-{number}": role for number, role in enumerate(ROLES)}
    page = looked(researcher, found, adapter="columns", **roles)
    assert "6 new" in page
    assert "6 labels" in page
    assert not Instance.objects.exists()
    fields = hidden(page)
    assert fields["adapter"] == "columns"
    assert json.loads(fields["options"])["completions"] == ["links", "rechts"]
    ran(researcher, project, {**fields, "reveal": "on", "act": "import"})
    assert Instance.objects.count() == 6
    assert Annotation.objects.count() == 6


def test_a_url_is_looked_into_and_not_fetched_twice(
    researcher: Client, project: Project, server: FileServer
) -> None:
    found = asked(researcher, project, kind="url", url=server.gives("/a.jsonl", row(1) + row(2)))
    page = looked(researcher, found)
    assert "2 new" in page
    ran(researcher, project, hidden(page))
    assert Instance.objects.count() == 2
    assert len(server.asked) == 1


def test_a_large_file_is_left_to_the_job(
    researcher: Client, project: Project, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.instances.sources.given.GLANCE_BYTES", 10)
    found = asked(researcher, project, kind="url", url=server.gives("/a.jsonl", row(1)))
    page = looked(researcher, found, large="1")
    assert "too large to look into" in page
    ran(researcher, project, hidden(page))
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"kind": "url", "url": "http://169.254.169.254/x"}, 422, "not public"),
        ({"kind": "url", "url": "javascript:alert(1)"}, 422, "http or https"),
        ({"kind": "url"}, 422, "needs its url"),
        ({"kind": "path", "path": "corpora/../../etc/passwd"}, 404, "no such file"),
        ({"kind": "hub", "dataset": "a/b/c"}, 422, "owner/name"),
        ({"kind": "kept", "path": "x"}, 422, "kind"),
        ({}, 422, "kind"),
    ],
)
def test_a_source_that_is_none_is_explained(
    researcher: Client, project: Project, fields: dict[str, str], status: int, text: str
) -> None:
    response = asked(researcher, project, **fields)
    assert response.status_code == status
    assert text in response.content.decode()
    assert not Job.objects.exists()


def test_what_was_typed_is_kept_and_escaped(researcher: Client, project: Project) -> None:
    url = 'http://10.0.0.1/"><script>alert(1)</script>'
    page = asked(researcher, project, kind="url", url=url).content.decode()
    assert "<script>alert" not in page
    assert "http://10.0.0.1/&quot;&gt;" in page


def test_a_dry_run_is_read_and_then_done(researcher: Client, project: Project) -> None:
    evil = row(2, responses="=cmd|calc") + b"broken\n"
    upload = SimpleUploadedFile("a.jsonl", row(1) + row(3) + row(4) + evil)
    found = researcher.post(f"/p/{project.slug}/upload/file/", {"files": [upload]})
    fields = hidden(looked(researcher, found))
    job = ran(researcher, project, {**fields, "reveal": "on", "act": "try"})
    assert not Instance.objects.exists()
    url = f"/p/{project.slug}/upload/{job.pk}/"
    page = researcher.get(url).content.decode()
    assert "3 new" in page
    assert "2 refused" in page
    assert "Nothing was changed" in page
    again = ran(researcher, project, {**hidden(page), "act": "import"})
    assert again.arguments["reveal"] is True
    assert Instance.objects.count() == 3
    page = researcher.get(f"/p/{project.slug}/upload/{again.pk}/").content.decode()
    assert "Nothing was changed" not in page


def test_refused_lines_are_a_table_that_runs_nothing(researcher: Client, project: Project) -> None:
    bad = json.dumps({"id": "=1+1", "prompt": 5, "responses": []}).encode()
    upload = SimpleUploadedFile("a.jsonl", row(1) + bad)
    found = researcher.post(f"/p/{project.slug}/upload/file/", {"files": [upload]})
    job = ran(researcher, project, hidden(looked(researcher, found)))
    response = researcher.get(f"/p/{project.slug}/upload/{job.pk}/errors/")
    assert response["Content-Disposition"] == f'attachment; filename="refused-{job.pk}.csv"'
    head, line = csv.reader(io.StringIO(response.content.decode()))
    assert head == ["line", "id", "reason"]
    assert line[:2] == ["2", "'=1+1"]
    assert line[2]


def test_reports_of_others_are_not_there(researcher: Client, project: Project) -> None:
    theirs = Job.objects.create(project=make_project(), kind="annotation.import", result={})
    other = Job.objects.create(project=project, kind="annotation.export", result={"rows": 1})
    for job in (theirs, other):
        for part in ("", "errors/"):
            assert researcher.get(f"/p/{project.slug}/upload/{job.pk}/{part}").status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"adapter": "pickle"},
        {"options": "{"},
        {"options": "[1]"},
        {"options": "[" * 9000},
        {"options": "1" * 30_000},
    ],
)
def test_forged_choices_start_nothing(
    researcher: Client, project: Project, fields: dict[str, str]
) -> None:
    found = asked(researcher, project, kind="path", path="corpora/votes.csv")
    ticket = parse_qs(urlsplit(found["Location"]).query)["ticket"][0]
    response = researcher.post(f"/p/{project.slug}/upload/start/", {"ticket": ticket, **fields})
    assert response.status_code == 422
    assert not Job.objects.exists()


def test_forged_questions_to_a_preview_are_explained(researcher: Client, project: Project) -> None:
    found = asked(researcher, project, kind="path", path="corpora/votes.csv")
    path = found["Location"]
    assert researcher.get(path + "&adapter=pickle").status_code == 422
    assert researcher.get(path[:-5] + "xxxxx").status_code == 422
    assert researcher.get(path + "&adapter=columns&role-0=__class__&role-99=id").status_code == 200


def test_names_of_columns_suggest_their_roles() -> None:
    names = ["ID", "Prompt", "response_a", "response_b", "Winner", "question", "else"]
    columns = [Column(name, []) for name in names]
    assert suggested(columns) == [
        "id",
        "prompt",
        "completions",
        "completions",
        "winner",
        "",
        "",
    ]
    lines = mapped(columns, {})
    options = options_of(lines, {"criterion": "honesty", "by": " ann ", "counted_from": "0"})
    assert options == {
        "id": "ID",
        "prompt": "Prompt",
        "completions": ["response_a", "response_b"],
        "winner": "Winner",
        "counted_from": 0,
        "criterion": "honesty",
        "annotator": "ann",
    }


def test_a_column_of_column_names_says_which_one_won() -> None:
    columns = [
        Column("query", ["1 + 1?"]),
        Column("first_answer", ["2"]),
        Column("second_answer", ["3"]),
        Column("which", ["second_answer", "first_answer"]),
        Column("who", ["ann", "bob"]),
    ]
    assert suggested(columns) == ["prompt", "completions", "completions", "winner", "annotator"]


def test_labels_of_a_table_answer_the_criterion_that_is_chosen(
    researcher: Client, project: Project
) -> None:
    add_criterion(
        project=project, key="honesty", name="Honesty", question="Which is honest?", by=None
    )
    found = asked(researcher, project, kind="path", path="corpora/votes.csv")
    roles = {f"role-{number}": role for number, role in enumerate(ROLES)}
    page = looked(researcher, found, adapter="columns", criterion="honesty", **roles)
    ran(researcher, project, {**hidden(page), "reveal": "on"})
    assert set(Annotation.objects.values_list("criterion__key", flat=True)) == {"honesty"}
