"""The client against a real server: web, database, jobs."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.access_tokens import make_token
from accounts.models import Scope
from jobs.models import Job, State
from jobs.runner import run
from tandem_client import JobFailed, Refused, Tandem
from tests.factories import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def worker() -> Iterator[None]:
    """Runs queued jobs as a worker does, beside the test."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            for pk in list(Job.objects.filter(state=State.QUEUED).values_list("pk", flat=True)):
                run(pk, owner="test", heartbeat=False)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture
def tandem(
    live_server: LiveServer, worker: None, settings: Settings, tmp_path: Path
) -> Iterator[Tandem]:
    settings.VAR_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    with Tandem(live_server.url, token=token_of("ada")) as client:
        yield client


def token_of(name: str, *scopes: str) -> str:
    """A token of a new person; of all scopes unless told otherwise."""
    user = make_user(name)
    user.set_password("not asked for")
    user.save()
    _, text = make_token(user=user, name="test", scopes=scopes or list(Scope.values), days=1)
    return text


def lines(count: int) -> list[dict[str, object]]:
    """Pairs of which people and a judge prefer the longer one."""
    return [
        {
            "id": f"i{number}",
            "prompt": f"Question {number % 40}?",
            "responses": [
                {"text": f"Yes, because of {number}.", "model": "one"},
                {"text": "No.", "model": "two"},
            ],
            "human": [{"annotator": name, "ranking": [1, 2]} for name in ("p1", "p2")],
            "ai": [{"judge": "critic", "ranking": [1, 2]}],
        }
        for number in range(count)
    ]


def test_data_in_and_out(tandem: Tandem, tmp_path: Path) -> None:
    project = tandem.create_project("Helpfulness", slug="helpfulness")
    assert [row.slug for row in tandem.projects()] == ["helpfulness"]
    assert tandem.project("helpfulness").raw["protocol"]["kind"] == "pairwise"

    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines(80)))
    dry = project.import_file(file, dry_run=True).watch(progress=False)
    assert dry["created"] == 80
    assert project.status()["instances"] == 0
    report = project.import_file(file).watch(progress=False)
    assert (report["created"], report["refused"]) == (80, 0)
    assert project.add(lines(80)) | {"unchanged": 80} == project.add(lines(80))
    assert project.status()["instances"] == 80
    assert len({row["external_id"] for row in project.instances(limit=30)}) == 80
    assert [judge.name for judge in project.judges()] == ["critic"]

    snapshot = project.snapshot(name="first", splits={"test": 0.2}).watch(progress=False)
    assert snapshot.manifest["rows"] == {"test": 16, "train": 64}
    assert project.count(splits={"test": 0.2})["rows"] == 80

    frame = project.export(snapshot, shape="pairs").watch(progress=False).to_pandas()
    assert len(frame) == 80
    assert set(frame["p"]) == {1.0}
    rows = project.export(snapshot, shape="trl", format="jsonl").watch(progress=False).to_dataset()
    assert rows.num_rows == 80


def test_what_fails_is_told_in_words(tandem: Tandem, tmp_path: Path) -> None:
    project = tandem.create_project("Helpfulness", slug="helpfulness")
    with pytest.raises(Refused, match="no such project") as refused:
        tandem.project("theirs")
    assert (refused.value.status, refused.value.code) == (404, "not-found")
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(b"\x80\x04\x95not data")
    with pytest.raises((JobFailed, Refused)):
        project.import_file(file).watch(progress=False)
    with pytest.raises(JobFailed, match="Nothing matches"):
        project.snapshot().watch(progress=False)


def test_a_token_opens_what_its_scopes_name(live_server: LiveServer, worker: None) -> None:
    text = token_of("bob", Scope.READ)
    with Tandem(live_server.url, token=text) as reader:
        assert reader.me()["username"] == "bob"
        with pytest.raises(Refused) as refused:
            reader.create_project("Not mine")
        assert refused.value.status == 403
    with Tandem(live_server.url, token="tdm_forged") as forged:
        with pytest.raises(Refused) as refused:
            forged.projects()
        assert refused.value.status == 401
