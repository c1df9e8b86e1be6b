"""Formats: packed, in shards, as the Hub's folder; nothing half-written; fetched in ranges."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
import zstandard
from django.test import Client

from annotation.consensus.services import update
from annotation.datasets.exporters import DiskFull, export, full_disk
from annotation.datasets.formats import FORMATS
from annotation.datasets.models import Export, Snapshot
from annotation.datasets.services import build_snapshot
from core.files import sha256_of
from jobs.exceptions import JobCancelled
from jobs.models import Job
from jobs.runner import run
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def snapshot() -> Snapshot:
    project = make_project()
    people = [make_annotator(project, kind="import") for _ in range(2)]
    for number in range(10):
        instance = make_instance(project, external_id=f"c{number}", prompt=f"Question {number}?")
        for each in people:
            make_annotation(instance, each, (1, 2))
    update(project=project)
    return build_snapshot(project=project, query={"splits": {"test": 0.2}})


@pytest.fixture
def owner(snapshot: Snapshot) -> Client:
    client = Client()
    client.force_login(snapshot.project.memberships.get(role="owner").user)
    return client


def test_packed_lines_hold_the_same(snapshot: Snapshot, media: Path) -> None:
    plain, gz, zst = (
        (media / export(snapshot=snapshot, shape="trl", format=name).path).read_bytes()
        for name in ("jsonl", "jsonl.gz", "jsonl.zst")
    )
    assert gzip.decompress(gz) == plain
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(zst)).read() == plain
    assert len(plain.splitlines()) == 10


def test_parquet_comes_in_shards(snapshot: Snapshot, media: Path) -> None:
    made = export(
        snapshot=snapshot, shape="annotations", format="parquet", options={"shard_rows": 8}
    )
    files = sorted((media / made.path).glob("*.parquet"))
    assert [path.name for path in files] == [
        f"annotations-{number:05d}-of-00003.parquet" for number in range(3)
    ]
    assert [pq.read_metadata(path).num_rows for path in files] == [8, 8, 4]
    for each in made.manifest["files"]:
        assert sha256_of(media / made.path / each["path"]) == each["sha256"]


@pytest.mark.parametrize("shape", ["trl", "pairs", "annotations", "interchange", "helpsteer3"])
def test_load_dataset_opens_the_folder(
    snapshot: Snapshot, media: Path, tmp_path: Path, shape: str
) -> None:
    made = export(snapshot=snapshot, shape=shape, format="huggingface")
    folder = media / made.path
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    whole = 20 if shape == "annotations" else 10
    expected = {"train": whole} if shape == "annotations" else {"test": 2, "train": 8}
    assert {split: len(rows) for split, rows in loaded.items()} == expected
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: other\n")
    assert f"`{snapshot.content_hash}`" in card
    # What the snapshot's own card says comes along.
    assert "## Limits" in card


@pytest.mark.parametrize("name", ["jsonl", "jsonl.gz", "jsonl.zst", "csv", "csv.gz", "parquet"])
def test_load_dataset_opens_every_file(
    snapshot: Snapshot, media: Path, tmp_path: Path, name: str
) -> None:
    path = media / export(snapshot=snapshot, shape="trl", format=name).path
    builder = {"jsonl": "json"}.get(name.split(".", maxsplit=1)[0], name.split(".", maxsplit=1)[0])
    cache = str(tmp_path / "cache")
    loaded = datasets.load_dataset(builder, data_files=str(path), cache_dir=cache, split="train")
    assert len(loaded) == 10
    assert {"prompt", "chosen", "rejected"} <= set(loaded.column_names)


def test_a_cancel_leaves_nothing(snapshot: Snapshot, media: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise JobCancelled

    for name in FORMATS:
        with pytest.raises(JobCancelled):
            export(snapshot=snapshot, shape="pairs", format=name, progress=stop)
    assert not [path for path in (media / "exports").rglob("*") if path.is_file()]
    assert not Export.objects.exists()


def test_a_full_disk_is_named_and_leaves_nothing(
    snapshot: Snapshot, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the device that is always full: what is written there fails as on a full disk."""
    open_really = Path.open

    def full(path: Path, *args: Any, **kwargs: Any) -> Any:
        return open_really(Path("/dev/full") if path.name == "trl.jsonl" else path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DiskFull, match="disk is full"):
        export(snapshot=snapshot, shape="trl", format="jsonl")
    assert not [path for path in (media / "exports").rglob("*") if path.is_file()]
    assert not Export.objects.exists()
    with pytest.raises(PermissionError), full_disk():
        raise PermissionError


def test_a_query_is_frozen_and_exported_by_one_job(snapshot: Snapshot, owner: Client) -> None:
    address = f"/api/v1/projects/{snapshot.project.slug}/exports/"
    body = {"query": {"scope": "human"}, "shape": "pairs", "format": "csv"}
    started = owner.post(address, body, content_type="application/json")
    assert started.status_code == 202
    run(started.json()["job"], owner="test")
    job = Job.objects.get(pk=started.json()["job"])
    assert job.result
    assert (job.state, job.result["rows"], job.result["files"]) == ("succeeded", 10, ["pairs.csv"])
    (row,) = owner.get(address).json()["results"]
    assert (row["id"], row["shape"]) == (job.result["export"], "pairs")
    whole = owner.get(f"{address}{row['id']}/").json()
    assert whole["manifest"]["rows"] == 10
    assert owner.get(f"{address}?shape=trl").json()["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"shape": "pairs", "format": "csv"},
        {"shape": "cubes", "format": "csv", "query": {}},
        {"shape": "pairs", "format": "csv", "query": {}, "options": {"colour": 1}},
        {"shape": "pairs", "format": "csv", "query": {}, "colour": 1},
    ],
)
def test_a_wrong_request_starts_nothing(
    snapshot: Snapshot, owner: Client, body: dict[str, Any]
) -> None:
    address = f"/api/v1/projects/{snapshot.project.slug}/exports/"
    reply = owner.post(address, body, content_type="application/json")
    assert reply.status_code in {400, 422}
    assert not Job.objects.exists()


@pytest.fixture
def file(snapshot: Snapshot, media: Path) -> tuple[str, bytes, str]:
    """Address, content and sha256 of an exported file."""
    row = export(snapshot=snapshot, shape="trl", format="jsonl")
    address = f"/api/v1/projects/{snapshot.project.slug}/exports/{row.pk}/files/trl.jsonl"
    return address, (media / row.path).read_bytes(), row.sha256


def body_of(response: Any) -> bytes:
    stream: Iterator[bytes] = response.streaming_content
    return b"".join(stream)


def test_a_download_goes_on_where_it_was_cut(owner: Client, file: tuple[str, bytes, str]) -> None:
    address, whole, sha256 = file
    first = owner.get(address)
    assert (body_of(first), first["ETag"]) == (whole, f'"{sha256}"')
    rest = owner.get(address, headers={"range": "bytes=10-", "if-range": first["ETag"]})
    assert (rest.status_code, body_of(rest)) == (206, whole[10:])
    assert rest["Content-Range"] == f"bytes 10-{len(whole) - 1}/{len(whole)}"
    assert body_of(owner.get(address, headers={"range": "bytes=-5"})) == whole[-5:]
    assert body_of(owner.get(address, headers={"range": "bytes=2-4"})) == whole[2:5]
    other = owner.get(address, headers={"range": "bytes=10-", "if-range": '"another"'})
    assert (other.status_code, body_of(other)) == (200, whole)
    assert owner.get(address, headers={"if-none-match": first["ETag"]}).status_code == 304
    beyond = owner.get(address, headers={"range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_no_path_leads_out_of_an_export(owner: Client, file: tuple[str, bytes, str]) -> None:
    address = file[0].removesuffix("trl.jsonl")
    for name in ("../export.json", "%2e%2e/%2e%2e/secret", "other.jsonl", "/etc/passwd"):
        assert owner.get(address + name).status_code == 404


def test_several_files_come_as_one_archive(snapshot: Snapshot, owner: Client) -> None:
    row = export(snapshot=snapshot, shape="trl", format="huggingface")
    reply = owner.get(f"/api/v1/projects/{snapshot.project.slug}/exports/{row.pk}/archive")
    with zipfile.ZipFile(io.BytesIO(body_of(reply))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "README.md",
            "data/test-00000-of-00001.parquet",
            "data/train-00000-of-00001.parquet",
            "export.json",
        ]
        assert json.loads(archive.read("export.json"))["rows_by_split"] == {"test": 2, "train": 8}
    page = owner.get(f"/p/{snapshot.project.slug}/data/exports/{row.pk}/")
    assert page["Content-Type"] == "application/zip"


def test_two_projects_with_equal_data_share_no_files(snapshot: Snapshot, media: Path) -> None:
    twin = Snapshot.objects.create(
        project=make_project("twin"),
        content_hash=snapshot.content_hash,
        query=snapshot.query,
        manifest=snapshot.manifest,
        folder=snapshot.folder,
    )
    mine, theirs = (export(snapshot=each, shape="pairs", format="csv") for each in (snapshot, twin))
    assert (media / mine.path).is_file()
    assert (media / theirs.path).is_file()
    assert mine.path != theirs.path
    export(snapshot=twin, shape="pairs", format="csv")
    assert (media / mine.path).is_file()
