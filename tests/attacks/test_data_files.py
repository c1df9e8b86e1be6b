"""Files that look small and are not, are not what they say, or come twice at once."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pytest_django import Settings

from accounts.models import Project
from annotation.instances.archives import unpacked
from annotation.instances.models import Completion, Instance, MediaFile, RecordedLabel
from annotation.instances.readers import count_rows, read_rows
from annotation.instances.uploads import Choices, start_import
from annotation.labels.models import Annotation
from core.exceptions import InvalidInput
from jobs.models import Job, State
from jobs.runner import run
from tests.factories import make_project
from tests.races import at_once

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


@pytest.fixture(autouse=True)
def _var(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"


def row(number: int, **more: Any) -> dict[str, Any]:
    label = {"annotator": "h", "ranking": [1, 2]}
    texts = [{"text": f"a{number}"}, {"text": f"b{number}"}]
    return {"id": f"r{number}", "prompt": f"p{number}", "responses": texts, "human": [label]} | more


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


def archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


def started(project: Project, content: bytes, name: str = "in.jsonl", **choices: Any) -> Job:
    return start_import(
        project=project, name=name, chunks=[content], choices=Choices(**choices), created_by=None
    )


def ran(job: Job) -> Job:
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


@pytest.mark.django_db
def test_an_archive_of_nothing_is_refused_before_it_lies_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a.jsonl", "w") as a:
        for _ in range(128):
            a.write(bytes(2**20))
    assert path.stat().st_size < 2**18
    with (
        pytest.raises(InvalidInput, match="300 times its size"),
        unpacked(path, make_project(), lambda: None),
    ):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_a_first_row_of_many_lines_names_no_more_columns_than_one(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text('"x\n",' + ",".join(f"c{n}" for n in range(300_000)) + "\n")
    with pytest.raises(InvalidInput, match="10,000 columns"):
        list(read_rows(path, path.name))


def test_rows_that_need_no_room_are_counted_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    table = pa.table({"prompt": pa.nulls(2**20, pa.string())})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(6):
            writer.write_table(table, row_group_size=2**20)
    assert path.stat().st_size < 2**16
    with pytest.raises(InvalidInput, match="rows: split it"):
        count_rows(path, path.name, lambda: None)


@pytest.mark.django_db
def test_a_dry_run_of_an_archive_leaves_nothing(tmp_path: Path) -> None:
    project = make_project()
    part = {"type": "image", "file": "a.gif"}
    shown = row(1, prompt=[{"role": "user", "content": [{"type": "text", "text": "x"}, part]}])
    content = archive({"in.jsonl": lines([shown]), "a.gif": GIF, "b.gif": GIF + b";"})
    dry = ran(started(project, content, "in.zip", adapter="interchange", dry_run=True))
    counted = (Instance.objects.count(), Completion.objects.count(), MediaFile.objects.count())
    left = [each for each in (tmp_path / "artifacts").rglob("*") if each.is_file()]
    assert (dry.state, counted, left) == (State.SUCCEEDED, (0, 0, 0), [])
    real = ran(started(project, content, "in.zip", adapter="interchange"))
    assert (dry.result or {}) | {"dry_run": False} == real.result
    assert (Instance.objects.count(), MediaFile.objects.count()) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_one_file_that_is_imported_twice_at_once_is_there_once() -> None:
    project = make_project()
    content = lines([row(number) for number in range(2500)])
    jobs = [started(project, content) for _ in range(3)]

    def importing(job: Job) -> Any:
        return lambda: run(job.pk, owner=f"w{job.pk}", heartbeat=False)

    assert at_once(*(importing(job) for job in jobs)) == ["done"] * 3
    ends = list(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", "error"))
    assert ends == [(State.SUCCEEDED, "")] * 3
    assert Instance.objects.count() == Annotation.objects.count() == 2500
    assert Completion.objects.count() == 5000
    assert RecordedLabel.objects.count() == 2500


@pytest.mark.django_db
@pytest.mark.parametrize("adapter", ["hh", "multipref", "argilla", "label_studio", "oasst", "trl"])
@pytest.mark.parametrize(
    "given",
    [
        [{"chosen": 1, "rejected": None}],
        [{"chosen": {"a": []}, "rejected": [[]], "prompt": {"x": 1}}],
        [{"conversation_id": [], "replies": {"a": 1}, "prompt": "x", "message_tree_id": 3}],
        [{"annotations": [{"result": [{"value": {"choices": 3}}]}], "data": []}],
        [{}],
        [{"id": {"a": 1}, "prompt": "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")}],
    ],
)
def test_a_format_that_is_forced_on_other_rows_refuses_them(
    adapter: str, given: list[dict[str, Any]]
) -> None:
    from annotation.instances.adapters import ADAPTERS

    names = [name for name in ADAPTERS if name.replace("-", "_").startswith(adapter)] or [adapter]
    for name in names:
        job = ran(started(make_project(), lines(given), adapter=name))
        assert job.state in {State.SUCCEEDED, State.FAILED}
        assert "Error" not in job.error, job.error
    assert Instance.objects.count() == 0
