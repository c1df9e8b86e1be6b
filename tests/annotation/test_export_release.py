"""What leaves with an export: pseudonyms, anonymised releases, masks, options that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.models import Export, Snapshot
from annotation.datasets.releasing import masked, masked_json
from annotation.datasets.services import build_snapshot
from core.exceptions import InvalidInput
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def project() -> Project:
    project = make_project()
    people = [make_annotator(project, cohort="crowd") for _ in range(5)]
    alone = make_annotator(project, cohort="village")
    judge = make_annotator(project, kind="judge")
    for number in range(2):
        instance = make_instance(
            project,
            ("Write to jo@example.org", "Ask @jo_b"),
            external_id=f"c{number}",
            metadata={"domain": "mail", "user": "u-17"},
        )
        for each in (*people, alone, judge):
            noted: dict[str, Any] = {"rationale": "call +49 30 1234567", "seconds": 12.5}
            attributes = {"note": "I am Jo", "edit": {"position": 0, "text": "Write to us"}}
            make_annotation(instance, each, (1, 2), attributes=attributes, **noted)
    return project


@pytest.fixture
def snapshot(project: Project) -> Snapshot:
    update(project=project)
    return build_snapshot(project=project, query={})


def rows(
    snapshot: Snapshot, media: Path, shape: str = "annotations", **options: Any
) -> list[dict[str, Any]]:
    made = export(snapshot=snapshot, shape=shape, format="jsonl", options=options)
    return [json.loads(line) for line in (media / made.path).read_text().splitlines()]


def test_pseudonyms_are_of_one_export_alone(
    project: Project, snapshot: Snapshot, media: Path
) -> None:
    stored = {row["annotator"] for row in rows(snapshot, media, annotators="project")}
    first = {row["annotator"] for row in rows(snapshot, media)}
    other = {row["annotator"] for row in rows(snapshot, media, provenance=False)}
    assert stored == set(project.annotators.values_list("pseudonym", flat=True))
    assert len(first) == len(other) == len(stored) == 7
    assert not (first & stored)
    assert not ((first | stored) & other)
    assert {name[:2] for name in first} == {"a-", "j-"}


def test_an_anonymised_release_says_what_it_did(snapshot: Snapshot, media: Path) -> None:
    found = rows(snapshot, media, anonymised=True)
    assert {row["annotator"] for row in found} == {
        "judge-1",
        *(f"annotator-{number}" for number in range(1, 7)),
    }
    assert {row["cohort"] for row in found} == {"crowd", ""}
    assert {len(row["created_at"]) for row in found} == {len("2026-01-31")}
    assert {row["seconds"] for row in found} == {None}
    assert {row["rationale"] for row in found} == {""}
    attributes = json.loads(found[0]["attributes"])
    assert attributes == {"note": None, "edit": {"position": 0, "text": "Write to us"}}
    whole = rows(snapshot, media, "interchange", anonymised=True)
    assert [row["meta"] for row in whole] == [{}, {}]
    manifest = Export.objects.order_by("-pk")[0].manifest
    assert "Annotators are numbered in an order that says nothing." in manifest["done"]
    assert "Rationales are left out." in manifest["done"]
    assert manifest["options"]["least_cohort"] == 5


def test_what_a_release_is_asked_for_stays(snapshot: Snapshot, media: Path) -> None:
    asked = {"anonymised": True, "rationale": True, "mask": True, "metadata": ["domain"]}
    (first, _) = rows(snapshot, media, "interchange", **asked)
    assert first["meta"] == {"domain": "mail"}
    assert [each["text"] for each in first["responses"]] == ["Write to [e-mail]", "Ask [handle]"]
    assert {label["rationale"] for label in first["human"]} == {"call [phone]"}
    pairs = rows(snapshot, media, "pairs", **asked)
    assert pairs[0]["completion_a"] == "Write to [e-mail]"


def test_without_provenance_a_row_still_says_whether_it_is_simulated(
    snapshot: Snapshot, media: Path
) -> None:
    (first, _) = rows(snapshot, media, "pairs", provenance=False)
    assert "simulated" in first
    assert not {"instance_id", "snapshot", "split", "source"} & first.keys()


def test_masks_find_people_and_leave_numbers() -> None:
    assert masked("2026-01-31 at 12:30, 3.14159, 1 000 000, a@b") == (
        "2026-01-31 at 12:30, 3.14159, 1 000 000, a@b"
    )
    assert masked("(030) 123 4567? 555-123-4567!") == "[phone]? [phone]!"
    assert json.loads(masked_json('["\\n@jo", {"to": "x@y.zz"}]')) == [
        "\n[handle]",
        {"to": "[e-mail]"},
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": 1}, "Unknown option"),
        ({"rationale": "yes"}, "cannot be"),
        ({"shard_rows": 0}, "cannot be"),
        ({"annotators": "names"}, "cannot be"),
        ({"metadata": "all"}, "cannot be"),
        ({"anonymised": True, "annotators": "project"}, "numbers its annotators"),
    ],
)
def test_options_that_are_none_are_refused(
    snapshot: Snapshot, media: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        rows(snapshot, media, **options)
    assert not (media / "exports").exists()


@pytest.mark.parametrize("name", ["jsonl", "huggingface"])
def test_nobody_is_named_in_any_file_of_an_anonymised_release(
    project: Project, media: Path, name: str
) -> None:
    update(project=project)
    left_out = project.annotators.order_by("pk")[0].pseudonym
    snapshot = build_snapshot(project=project, query={"annotators": {"out": [left_out]}})
    made = export(snapshot=snapshot, shape="annotations", format=name, options={"anonymised": True})
    folder = (media / made.path) if name == "huggingface" else (media / made.path).parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files)
    assert len(files) >= 2
    for pseudonym in project.annotators.values_list("pseudonym", flat=True):
        assert pseudonym.encode() not in written
    for cohort in (b"crowd", b"village"):
        assert cohort not in written
