"""A snapshot is immutable, content-hashed, and split by prompt."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import IntegrityError, transaction

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.models import Snapshot
from annotation.datasets.services import build_snapshot
from annotation.queue.models import Assignment
from core.exceptions import InvalidInput
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db
CONTRACT = [
    "prompt",
    "completions",
    "score",
    "pair_p",
    "weight",
    "margin",
    "source",
    "prompt_hash",
    "instance_id",
    "annotators",
    "simulated",
    "generators",
    "licences",
]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def labelled(prompts: int = 10, per_prompt: int = 2) -> Project:
    project = make_project()
    people = [make_annotator(project, kind="import") for _ in range(2)]
    for prompt in range(prompts):
        for _ in range(per_prompt):
            instance = make_instance(project, prompt=f"Question {prompt}?")
            make_annotation(instance, people[0], (1, 2), strength=1.0)
            make_annotation(instance, people[1], (1, 2), strength=0.5)
    update(project=project)
    return project


def rows_of(snapshot: Snapshot, media: Path, split: str) -> list[dict[str, Any]]:
    table = pq.read_table(media / snapshot.folder / f"{split}.parquet")
    return list(table.to_pylist())


def test_rows_have_the_columns_training_reads(media: Path) -> None:
    project = labelled()
    snapshot = build_snapshot(project=project, query={"splits": {"test": 0.2}})
    rows = rows_of(snapshot, media, "train")
    assert set(CONTRACT) <= set(rows[0])
    row = rows[0]
    assert json.loads(row["prompt"])[0]["role"] == "user"
    assert len(row["completions"]) == 2
    assert (row["score"], row["pair_p"], row["weight"]) == ([1.0, 0.0], 1.0, 1.0)
    assert row["margin"] == pytest.approx(0.75)
    assert (row["source"], row["simulated"], row["annotators"]) == ("human", False, 2)
    assert row["generators"] == ["model-a", "model-b"]


def test_a_prompt_never_crosses_splits(media: Path) -> None:
    snapshot = build_snapshot(project=labelled(12, 3), query={"splits": {"test": 0.25}})
    train = {row["prompt_hash"] for row in rows_of(snapshot, media, "train")}
    test = {row["prompt_hash"] for row in rows_of(snapshot, media, "test")}
    assert (len(train), len(test)) == (9, 3)
    assert not train & test
    assert snapshot.manifest["rows"] == {"test": 9, "train": 27}
    assert snapshot.manifest["prompts"] == {"test": 3, "train": 9}
    agreement = snapshot.manifest["agreement"]
    assert (agreement["value"], agreement["units"], agreement["prompts"]) == (1, 36, 12)


def test_the_same_query_on_the_same_data_is_the_same_snapshot(media: Path) -> None:
    project = labelled()
    first = build_snapshot(project=project, query={"splits": {"test": 0.2}})
    again = build_snapshot(
        project=project, query={"scope": "mixed", "splits": {"test": 0.2}}, name="other"
    )
    assert again.pk == first.pk
    assert [p.name for p in (media / "snapshots").iterdir()] == [first.content_hash]
    written = json.loads((media / first.folder / "manifest.json").read_text())
    assert written == first.manifest


def test_a_new_label_or_another_query_is_another_snapshot() -> None:
    project = labelled()
    first = build_snapshot(project=project, query={"splits": {"test": 0.2}})
    other = build_snapshot(project=project, query={"splits": {"test": 0.3}})
    instance = project.instances.order_by("pk")[0]
    make_annotation(instance, make_annotator(project, kind="import"), (2, 1))
    update(project=project)
    later = build_snapshot(project=project, query={"splits": {"test": 0.2}})
    assert len({first.content_hash, other.content_hash, later.content_hash}) == 3


def test_assigned_splits_leave_other_prompts_out(media: Path) -> None:
    project = labelled(4, 1)
    hashes = sorted(project.instances.values_list("prompt_hash", flat=True))
    assigned = {hashes[0]: "train", hashes[1]: "calibrate"}
    snapshot = build_snapshot(project=project, query={"splits": {"assigned": assigned}})
    assert snapshot.manifest["rows"] == {"calibrate": 1, "train": 1}
    assert rows_of(snapshot, media, "calibrate")[0]["prompt_hash"] == hashes[1]


def test_filters_by_arm_and_without_ties(media: Path) -> None:
    project = labelled(3, 1)
    first, second, third = project.instances.order_by("pk")
    for instance, arm in ((first, "seed"), (second, "routed"), (third, "routed")):
        Assignment.objects.create(instance=instance, destination="human", arm=arm, propensity=1)
    for _ in range(2):
        make_annotation(third, make_annotator(project, kind="import"), (2, 1))
    update(project=project)
    query = {"instances": {"arms": ["routed"]}}
    assert build_snapshot(project=project, query=query).manifest["rows_by_arm"] == {"routed": 2}
    query["exclude_ties"] = True  # type: ignore[assignment]
    snapshot = build_snapshot(project=project, query=query)
    assert [row["instance_id"] for row in rows_of(snapshot, media, "train")] == [second.external_id]


def test_simulated_labels_are_marked_and_counted(media: Path) -> None:
    project = make_project()
    pretend = make_annotator(project, kind="judge", simulated=True)
    for _ in range(4):
        make_annotation(make_instance(project), pretend)
    update(project=project)
    snapshot = build_snapshot(project=project, query={})
    assert snapshot.manifest["simulated_share"] == 1
    assert {row["source"] for row in rows_of(snapshot, media, "train")} == {"simulated-judge"}
    labels = pq.read_table(media / snapshot.folder / "annotations.parquet").to_pylist()
    assert all(label["simulated"] for label in labels)


def test_what_cannot_be_asked_is_refused_and_leaves_no_files(media: Path) -> None:
    project = labelled(3, 1)
    for query, message in (
        ({"colour": 1}, "Unknown key"),
        ({"scope": "all"}, "Unknown scope"),
        ({"criterion": "beauty"}, "no criterion"),
        ({"instances": {"arms": ["left"]}}, "Unknown arms"),
        ({"splits": {"../test": 0.5}}, "cannot name a split"),
        ({"splits": {"annotations": 0.5}}, "annotations"),
        ({"splits": {"test": 0.2}}, "There are 3 prompts"),
        ({"scope": "judge"}, "Nothing matches"),
    ):
        with pytest.raises(InvalidInput, match=message):
            build_snapshot(project=project, query=query)
    assert not Snapshot.objects.exists()
    folder = media / "snapshots"
    assert not folder.exists() or not list(folder.iterdir())


def test_the_database_refuses_to_change_a_snapshot() -> None:
    snapshot = build_snapshot(project=labelled(2, 1), query={})
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Snapshot.objects.filter(pk=snapshot.pk).update(name="changed")


def test_labels_of_a_listwise_project_keep_their_ranking(media: Path) -> None:
    project = make_project(kind="listwise")
    instance = make_instance(project, ("a", "b", "c"))
    make_annotation(instance, make_annotator(project, kind="import"), (2, 1, 3))
    update(project=project)
    (row,) = rows_of(build_snapshot(project=project, query={}), media, "train")
    assert (row["score"], row["pair_p"]) == ([0.5, 1.0, 0.0], None)
