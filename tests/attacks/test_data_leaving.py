"""What leaves by exports and webhooks, looked at for what must not."""

import json
import zipfile
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import Project
from annotation.datasets.exporters import NAMES, export
from annotation.datasets.formats import FORMATS
from annotation.datasets.services import build_snapshot
from annotation.instances.uploads import Choices, start_import
from annotation.labels.models import Annotator
from core.exceptions import ApplicationError
from jobs.runner import run
from tests.factories import make_project

pytestmark = pytest.mark.django_db
PEOPLE = ("jo.secret@example.org", "kim.secret@example.org", "lee.secret@example.org")
FILE = "labels-of-secret-person.jsonl"


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"


def brought(name: str) -> Project:
    found = make_project(name)
    rows = [
        {
            "id": f"r{number}",
            "prompt": f"p{number}",
            "responses": [{"text": f"a{number}"}, {"text": f"b{number}"}],
            "human": [
                {
                    "annotator": who,
                    "ranking": [1, 2],
                    "rationale": "said by secret",
                    "reasons": ["because secret"],
                    "seconds": 61.25,
                    "created_at": "2026-01-31T12:34:56Z",
                }
                for who in PEOPLE
            ],
            "meta": {"collected_by": "secret collector"},
        }
        for number in range(6)
    ]
    lines = [json.dumps(row).encode() + b"\n" for row in rows]
    job = start_import(
        project=found, name=FILE, chunks=lines, choices=Choices(adapter="interchange")
    )
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    assert Annotator.objects.filter(project=found).count() == len(PEOPLE)
    return found


@pytest.fixture
def project() -> Project:
    return brought("left")


def everything(folder: Path) -> bytes:
    """All names and bytes below a folder; Parquet and archives opened."""
    import pyarrow.parquet as pq
    import zstandard

    found = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        found.append(str(path.relative_to(folder)).encode())
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            found.append(json.dumps(table.to_pylist(), default=str).encode())
            found.append(repr(table.schema).encode())
        elif path.suffix == ".zip":
            found += [zipfile.ZipFile(path).read(each) for each in zipfile.ZipFile(path).namelist()]
        elif path.suffix == ".zst":
            with path.open("rb") as file:
                found.append(zstandard.ZstdDecompressor().stream_reader(file).read())
        else:
            found.append(path.read_bytes())
    return b"\n".join(found)


def test_an_anonymised_release_names_nobody_in_any_shape(project: Project, tmp_path: Path) -> None:
    pseudonyms = list(Annotator.objects.filter(project=project).values_list("pseudonym", flat=True))
    snapshot = build_snapshot(project=project, query={"annotators": {"in": pseudonyms}})
    made = 0
    for shape in NAMES:
        for form in FORMATS:
            try:
                row = export(
                    snapshot=snapshot, shape=shape, format=form, options={"anonymised": True}
                )
            except ApplicationError:
                continue
            made += 1
            content = everything(tmp_path / "artifacts" / "exports")
            told = content + json.dumps(row.manifest).encode()
            for word in (b"secret", b"12:34", b"61.25", *(name.encode() for name in pseudonyms)):
                assert word not in told, (shape, form, word)
    assert made > 20
