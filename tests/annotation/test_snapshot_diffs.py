"""Two snapshots side by side, and the card that each carries."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.api_snapshots import difference
from annotation.datasets.cards import limits_of, markdown
from annotation.datasets.diffs import Change, changes
from annotation.datasets.services import build_snapshot
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def labelled(count: int = 6) -> Project:
    project = make_project()
    person = make_annotator(project, kind="import")
    for number in range(count):
        instance = make_instance(
            project, external_id=f"case-{number}", prompt=f"Question {number}?", tags=["lang:en"]
        )
        make_annotation(instance, person, (1, 2), shown_order=[0, 1])
    update(project=project)
    return project


def test_a_snapshot_does_not_differ_from_itself() -> None:
    snapshot = build_snapshot(project=labelled(), query={})
    found = difference(snapshot, snapshot)
    assert (found.query, found.changes, set(found.counts.values())) == ({}, [], {0})


def test_what_was_added_what_flipped_and_what_moved(media: Path) -> None:
    project = labelled()
    before = build_snapshot(project=project, query={"splits": {"test": 0.4}})
    others = [make_annotator(project, kind="import") for _ in range(3)]
    first = project.instances.get(external_id="case-0")
    for other in others:
        make_annotation(first, other, (2, 1))
    new = make_instance(project, external_id="case-00", prompt="New?")
    make_annotation(new, others[0])
    update(project=project)
    after = build_snapshot(project=project, query={})
    found = difference(before, after)
    assert found.query == {"splits": [{"test": 0.4}, {}]}
    assert found.counts == {
        "instance added": 1,
        "instance removed": 0,
        "split moved": 2,
        "consensus flipped": 1,
        "label added": 4,
        "label removed": 0,
    }
    assert Change("case-00", "instance added", "", "train") in found.changes
    assert Change("case-0", "consensus flipped", "1", "2") in found.changes
    back = list(changes(media / after.folder, media / before.folder))
    assert len(back) == 8
    assert Change("case-0", "consensus flipped", "2", "1") in back


def test_the_card_lies_in_the_folder_and_says_what_the_figures_say(media: Path) -> None:
    snapshot = build_snapshot(project=labelled(30), query={"splits": {"test": 0.2}})
    text = (media / snapshot.folder / "README.md").read_text()
    head = text.split("---")[1]
    fields = dict(line.split(": ", 1) for line in head.strip().splitlines())
    assert json.loads(fields["language"]) == ["en"]
    assert json.loads(fields["configs"])[0]["data_files"][0] == {
        "split": "test",
        "path": "test.parquet",
    }
    assert "30 instances with 30 labels" in text
    limits = " ".join(limits_of(snapshot.manifest))
    assert "how far they agree is not known" in limits
    # All thirty chose what was shown first.
    assert "People chose the completion shown first in 100.0% of 30 labels" in limits
    assert "60 of 60 completions state no licence." in limits


def test_a_name_cannot_break_out_of_its_line() -> None:
    snapshot = build_snapshot(project=labelled(2), query={})
    text = markdown(snapshot.manifest, 'x\n---\nlicense: "mit"\n# <script>')
    assert "\nlicense:" not in text
    assert "<script>" not in text.split("\n---\n", 1)[1]


def test_a_card_of_an_early_manifest_is_short() -> None:
    assert "| train | 2 |" in markdown({"rows": {"train": 2}}, "Old")
