"""Folders shared by several machines: over a file system and over a real S3-compatible server."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import override_settings

from config.env import storage_from_url
from core import artifacts
from core.exceptions import NotFound

Machine = Callable[[str], Any]
NAME = "runs/7/model"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3-compatible server of our own with the bucket `artifacts`."""
    from boto3 import client  # type: ignore[import-untyped]  # the extra s3
    from moto.server import ThreadedMotoServer

    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    before = dict(os.environ)
    os.environ.update(keys)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="artifacts")
    yield url
    server.stop()
    for key in keys:
        os.environ.pop(key)
    os.environ.update(before)


@pytest.fixture(params=["file", "s3"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """Settings of a machine with its own MEDIA_ROOT and the storage that all share."""
    if request.param == "s3":
        server = request.getfixturevalue("endpoint")
        url = f"s3://artifacts/{tmp_path.name}?endpoint={server}&region=us-east-1"
    else:
        url = f"file://{tmp_path / 'shared'}"
    return lambda name: override_settings(
        MEDIA_ROOT=tmp_path / name, STORAGES={"artifacts": storage_from_url(url)}
    )


def write(files: dict[str, str], name: str = NAME) -> Path:
    folder = artifacts.local_path(name)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stored(part: str) -> list[str]:
    return sorted(storages["artifacts"].listdir(f"{NAME}/{part}")[1])


def test_what_one_machine_publishes_another_fetches_whole(machine: Machine) -> None:
    files = {"config.json": "{}", "deep/weights": "w" * 5000, "again": "{}"}
    with machine("a"):
        artifacts.publish(write(files), NAME)
        assert len(stored("files")) == 2  # by content: two files are the same
    with machine("b"):
        assert not artifacts.is_here(NAME)
        assert artifacts.read(NAME, "deep/weights") == b"w" * 5000
        assert artifacts.read(NAME, "absent") is None
        assert content(artifacts.fetch(NAME)) == files
        assert artifacts.is_here(NAME)
        assert [path.name for path in artifacts.local_path(NAME).parent.iterdir()] == ["model"]


def test_half_an_upload_is_never_seen(machine: Machine) -> None:
    with machine("a"):
        folder = write({"one": "1", "two": "2"})
        send = artifacts._send

        def send_and_break(path: Path, relative: Path, name: str) -> artifacts.Entry:
            if path.name == "two":
                raise FileNotFoundError(path)
            return send(path, relative, name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(artifacts, "_send", send_and_break)
            with pytest.raises(FileNotFoundError):
                artifacts.publish(folder, NAME)
        assert len(stored("files")) == 1
    with machine("b"), pytest.raises(NotFound, match="Nobody has published"):
        artifacts.fetch(NAME)


def test_the_newest_whole_publication_counts(machine: Machine) -> None:
    with machine("a"):
        folder = write({"step": "1"})
        artifacts.publish(folder, NAME, order=1)
        write({"step": "2"})
        artifacts.publish(folder, NAME, order=2)
        write({"step": "0"})
        artifacts.publish(folder, NAME, order=0)
        storage = storages["artifacts"]
        path = f"{NAME}/manifests/000000000002"
        cut = next(file for file in stored("manifests") if file.startswith("000000000002"))
        found = artifacts.newest(NAME)
        assert found is not None
        assert found.order == 2
        storage.delete(f"{NAME}/manifests/{cut}")
        storage.save(f"{path}-{cut.split('-')[1]}", ContentFile(b"[{"))
        found = artifacts.newest(NAME)
        assert found is not None
        assert found.order == 1


def test_a_damaged_or_missing_file_is_told_and_nothing_is_left(machine: Machine) -> None:
    with machine("a"):
        artifacts.publish(write({"weights": "right", "config.json": "{}"}), NAME)
        entry = artifacts.newest(NAME)
        assert entry is not None
        key = f"{NAME}/files/{next(e.sha256 for e in entry.entries if e.path == 'weights')}"
        storages["artifacts"].delete(key)
    with machine("b"):
        with pytest.raises(artifacts.DamagedError, match="is missing"):
            artifacts.fetch(NAME)
        storages["artifacts"].save(key, ContentFile(b"wrong"))
        with pytest.raises(artifacts.DamagedError, match="is damaged"):
            artifacts.fetch(NAME)
        with pytest.raises(artifacts.DamagedError, match="is damaged"):
            artifacts.read(NAME, "weights")
        assert list(artifacts.local_path(NAME).parent.iterdir()) == []


def test_two_processes_fetch_at_once_and_both_see_the_whole_folder(machine: Machine) -> None:
    files = {str(number): "x" * number for number in range(20)}
    found: list[dict[str, str]] = []
    with machine("a"):
        artifacts.publish(write(files), NAME)
    with machine("b"):
        fetching = [
            threading.Thread(target=lambda: found.append(content(artifacts.fetch(NAME))))
            for _ in range(3)
        ]
        for thread in fetching:
            thread.start()
        for thread in fetching:
            thread.join()
    assert found == [files] * 3


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a/../../b"])
def test_a_manifest_never_writes_outside_of_its_folder(path: str, tmp_path: Path) -> None:
    manifest = artifacts.Manifest("n", 0, (artifacts.Entry(path, 1, "0"),))
    with pytest.raises(artifacts.DamagedError, match="outside"):
        artifacts.download(manifest, tmp_path)


def test_without_a_storage_of_its_own_nothing_is_copied(tmp_path: Path) -> None:
    with override_settings(MEDIA_ROOT=tmp_path, STORAGES={"artifacts": storage_from_url("")}):
        folder = write({"a": "1"})
        assert not artifacts.shared()
        artifacts.publish(folder, NAME)
        assert artifacts.fetch(NAME) == folder
        assert content(tmp_path) == {f"{NAME}/a": "1"}


@pytest.mark.parametrize("url", ["ftp://x/y", "s3:///prefix", "file://", "nonsense"])
def test_an_address_that_is_none_is_refused_at_start(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="ARTIFACTS_URL"):
        storage_from_url(url)
