"""Exports with the media that their rows name: what went out comes in again as it was."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.models import Snapshot
from annotation.datasets.services import build_snapshot
from annotation.instances.media import keep_media, media_path
from annotation.instances.models import Instance
from annotation.instances.uploads import start_import
from core.exceptions import NotFound
from jobs.runner import run
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
GIF = b"GIF89a" + b"pixels"


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    return tmp_path / "artifacts"


@pytest.fixture
def snapshot() -> Snapshot:
    """A pair of pictures, one of which is in the prompt too, and a picture that no row names."""
    project = make_project()
    kept = [
        keep_media(project=project, name=name, chunks=[content])
        for name, content in (("img/a.png", PNG), ("b.gif", GIF), ("other.png", PNG + b"!"))
    ]
    first, second, _ = [
        {"type": "image", "file": each.name, "sha256": each.sha256} for each in kept
    ]
    instance = make_instance(project, ("", ""), external_id="pair")
    Instance.objects.filter(pk=instance.pk).update(
        messages=[{"role": "user", "content": [{"type": "text", "text": "Redraw"}, first]}]
    )
    instance.completions.filter(position=0).update(parts=[first])
    instance.completions.filter(position=1).update(parts=[second])
    make_annotation(instance, make_annotator(project), (1, 2))
    update(project=project)
    return build_snapshot(project=project, query={})


def test_media_go_along_and_come_in_again(snapshot: Snapshot, media: Path) -> None:
    made = export(snapshot=snapshot, shape="interchange", format="jsonl", options={"media": True})
    path = media / made.path
    with zipfile.ZipFile(path.parent / "media.zip") as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {"img/a.png": PNG, "b.gif": GIF}
    assert {each["path"] for each in made.manifest["files"]} >= {path.name, "media.zip"}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in (found | {path.name: path.read_bytes()}).items():
            archive.writestr(name, content)
    other = make_project()
    job = start_import(project=other, name="all.zip", chunks=[whole.getvalue()])
    run(job.pk, owner="test", heartbeat=False)
    (again,) = other.instances.all()
    before = snapshot.project.instances.get()
    assert again.messages == before.messages
    assert [each.parts for each in again.completions.order_by("position")] == [
        each.parts for each in before.completions.order_by("position")
    ]


def test_every_pair_format_has_them_and_none_where_nobody_asks(
    snapshot: Snapshot, media: Path
) -> None:
    plain = export(snapshot=snapshot, shape="pairs", format="jsonl")
    assert not list((media / plain.path).parent.glob("*.zip"))
    (row,) = map(json.loads, (media / plain.path).read_text().splitlines())
    assert json.loads(row["parts_a"])[0]["file"] == "img/a.png"
    folder = export(snapshot=snapshot, shape="pairs", format="huggingface", options={"media": True})
    assert "media.zip" in {each["path"] for each in folder.manifest["files"]}


def test_a_medium_that_is_gone_is_named_and_nothing_is_left(
    snapshot: Snapshot, media: Path
) -> None:
    part = snapshot.project.instances.get().completions.get(position=1).parts[0]
    media_path(part["sha256"]).unlink()
    with pytest.raises(NotFound, match=r"b\.gif"):
        export(snapshot=snapshot, shape="pairs", format="csv", options={"media": True})
    assert not [path for path in (media / "exports").rglob("*") if path.is_file()]
