"""Media files: what is kept, under which name, and archives that bring them."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from annotation.instances import archives
from annotation.instances.media import checked_name, keep_media, media_path
from annotation.instances.models import Completion, Instance, MediaFile
from annotation.instances.sniffing import content_type_of
from annotation.instances.uploads import keep_upload, start_import
from core.exceptions import Conflict, InvalidInput
from jobs.models import Job, State
from jobs.runner import run
from tests.factories import make_project

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
GIF = b"GIF89a" + b"pixels"


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, settings: Settings) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"


def line(file: str = "cat.png") -> bytes:
    parts = [{"type": "image", "file": file}]
    responses = [{"text": "a", "parts": parts}, {"text": "b"}]
    return json.dumps({"id": "q1", "prompt": "p", "responses": responses}).encode()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def imported(content: bytes) -> Job:
    job = start_import(project=make_project(), name="all.zip", chunks=[content])
    run(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (GIF, "image/gif"),
        (b"RIFF1234WEBPVP8 ", "image/webp"),
        (b"RIFF1234WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x1cftypisom", "video/mp4"),
        (b"\0\0\0\x1cftypM4A ", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x42\x82\x84webm", "video/webm"),
        (b"OggS" + b"\0" * 24 + b"\x80theora", "video/ogg"),
        (b"OggS" + b"\0" * 24 + b"\x01vorbis", "audio/ogg"),
        (b"ID3\x04", "audio/mpeg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"<!doctype html><script>", None),
        (b"%PDF-1.7", None),
        (b"MZ\x90", None),
        (b"\0\0\0\x1cftypevil", None),
        (b"", None),
    ],
)
def test_the_first_bytes_say_what_it_is(head: bytes, kind: str | None) -> None:
    assert content_type_of(head) == kind


def test_a_file_is_kept_by_its_hash_and_the_same_again_changes_nothing() -> None:
    project = make_project()
    first = keep_media(project=project, name="cat.jpg", chunks=[PNG[:5], PNG[5:]])
    again = keep_media(project=project, name="cat.jpg", chunks=[PNG])
    assert (first.pk, first.content_type, first.bytes) == (again.pk, "image/png", len(PNG))
    assert media_path(first.sha256).read_bytes() == PNG


def test_a_name_never_changes_its_meaning() -> None:
    project = make_project()
    kept = keep_media(project=project, name="cat", chunks=[PNG])
    with pytest.raises(Conflict):
        keep_media(project=project, name="cat", chunks=[GIF])
    assert MediaFile.objects.get(project=project).sha256 == kept.sha256


def test_what_is_no_medium_or_too_large_leaves_nothing(settings: Settings) -> None:
    settings.MEDIA_MAX_BYTES = 20
    for content in (b"<svg onload=alert(1)>", PNG + b"x" * 20):
        with pytest.raises(InvalidInput):
            keep_media(project=make_project(), name="x.png", chunks=[content])
    assert MediaFile.objects.count() == 0
    assert [each for each in Path(settings.MEDIA_ROOT).rglob("*") if each.is_file()] == []


@pytest.mark.parametrize(
    "name",
    ["", " ", "../x.png", "a/../b", "/etc/x.png", "a//b", "a\\b", "a\0b", "a\nb", "\u202egnp.x",
     "x" * 201, ".", "a/."],
)  # fmt: skip
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        checked_name(name)


@pytest.mark.parametrize("name", ["cat.png", "a/b/c.png", "Bär – 1 (2).png", "صورة.png", "<b>.png"])
def test_other_names_are_kept_as_they_are(name: str) -> None:
    assert checked_name(name) == name


def test_an_archive_brings_lines_and_media() -> None:
    job = imported(
        zipped(
            **{
                "d/data.jsonl": line("img/cat.png"),
                "img/cat.png": PNG,
                "__MACOSX/x": b"",
                ".y": b"",
            }
        )
    )
    assert (job.state, job.error) == (State.SUCCEEDED, "")
    assert job.result is not None
    assert (job.result["created"], job.result["refused"]) == (1, 0)
    (part,) = Completion.objects.get(position=0).parts
    assert part["sha256"] == MediaFile.objects.get(name="img/cat.png").sha256


def test_a_refused_file_is_listed_and_so_are_the_lines_that_need_it() -> None:
    job = imported(zipped(**{"a.jsonl": line("x.svg"), "x.svg": b"<svg>", "../up.png": PNG}))
    assert job.result is not None
    reasons = {error["id"]: error["reason"] for error in job.result["errors"]}
    assert set(reasons) == {"x.svg", "../up.png", "q1"}
    assert "none of the media" in reasons["x.svg"]
    assert Instance.objects.count() == MediaFile.objects.count() == 0


def with_link() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jsonl", line("link.png"))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def test_a_link_in_an_archive_is_refused() -> None:
    job = imported(with_link())
    assert job.result is not None
    assert job.result["errors"][0]["reason"] == "a link, not a file"


def encrypted() -> bytes:
    content = bytearray(zipped(**{"a.jsonl": line()}))
    content[6] |= 1
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"PK\x03\x04 no zip", "cannot be opened"),
        (lambda: zipped(**{"cat.png": PNG}), "holds 0"),
        (lambda: zipped(**{"a.jsonl": line(), "b.jsonl": line()}), "holds 2"),
        (encrypted, "encrypted"),
        (lambda: zipped(**{"a.jsonl": b"\n" * 5_000_000}), "unpacks to more"),
    ],
)
def test_a_bad_archive_is_refused_as_a_whole(
    make: Callable[[], bytes], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 2**20)
    job = imported(make())
    assert job.state == State.FAILED
    assert reason in job.error
    assert Instance.objects.count() == 0


def test_no_more_is_read_than_an_archive_says(tmp_path: Path) -> None:
    content = bytearray(zipped(**{"a.jsonl": b"\n" * 5_000_000}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (1).to_bytes(4, "little")
    job = imported(bytes(content))
    assert job.state == State.FAILED
    assert "a.jsonl is damaged" in job.error
    assert sum(each.stat().st_size for each in tmp_path.rglob("*.jsonl")) == 0


def test_the_upload_itself_is_bounded(settings: Settings, tmp_path: Path) -> None:
    settings.IMPORT_MAX_BYTES = 100
    with pytest.raises(InvalidInput, match="larger than"):
        keep_upload(name="a.jsonl", chunks=[b"x" * 60, b"x" * 60])
    assert list((tmp_path / "uploads").iterdir()) == []
