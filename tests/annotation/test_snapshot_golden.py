"""The content hash of a snapshot stays what it was, however it is computed."""

import hashlib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.labels import DATA
from annotation.datasets.models import Snapshot
from annotation.datasets.services import build_snapshot
from annotation.labels.models import Annotator
from annotation.projects.models import Criterion, Protocol
from annotation.quality.models import Report
from annotation.queue.models import Assignment
from core.hashing import canonical_json, content_hash
from tests.factories import make_annotation, make_completion, make_instance, make_project

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
# What the code gave that built snapshots label by label.
GOLDEN = {
    "": "a9430eb21d1293562aec2a7af6eaed661919dd42e66be032228106a9fe743026",
    "ties": "3dd64571a636aa2139fb68c802b7d1f9fc00beb9cd9e0c4a7d1cd94ab48ca694",
    "ratings": "81f49ec661facfba0fd5daf7a7af9d74ca6cb04135302f70dea673b57a4d34be",
}
QUERIES: dict[str, dict[str, Any]] = {
    "": {"splits": {"test": 0.3}},
    "ties": {"exclude_ties": True, "include_excluded": True, "scope": "human"},
    "ratings": {"criterion": "clarity", "pairs_from_ratings": 1, "splits": {"test": 0.3}},
}


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(timezone, "now", lambda: MOMENT)
    return tmp_path


def annotator(project: Project, name: str, kind: str = "import", **fields: Any) -> Annotator:
    return Annotator.objects.create(project=project, kind=kind, name=name, pseudonym=name, **fields)


def rich() -> Project:
    """Everything that a label and an instance can hold, the same in every run."""
    project = make_project(name="Golden")
    Protocol.objects.filter(project=project).update(salt="salt")
    clarity = Criterion.objects.create(
        project=project, key="clarity", name="Clarity", position=1, kind="rating", levels=5
    )
    people = [
        annotator(project, "b-näive", cohort="nurses"),
        annotator(project, "a-one", simulated=True),
        annotator(project, "c-out", excluded_at=MOMENT),
        annotator(project, "j-judge", "judge"),
    ]
    groups = {"shares": [0.5, 0.5], "members": {str(people[0].pk): [0.25, 0.75]}}
    Report.objects.create(project=project, settings={}, figures={"groups": groups})
    for number in range(12):
        instance = make_instance(
            project,
            (f"A – first “{number}” \u2028 \x7f", f"Second\t{number}\r\n"),
            external_id=f"case-{number:02}",
            prompt=f"Ünder {number // 2}? \U0001f600",
            tags=["lang:de", f"t{number % 3}"],
            metadata={"z": 1e-7, "a": [1.5, None, True], "é": "\x01"},
            context=[{"type": "text", "text": "Beside"}] if number % 4 == 0 else [],
        )
        if number == 3:
            make_completion(
                instance, 2, "Third", parts=[{"type": "text", "text": "p"}], licence="mit"
            )
        arm = "audit" if number % 2 else "routed"
        Assignment.objects.create(
            instance=instance,
            destination="both",
            arm=arm,
            propensity=0.00001 if number == 1 else 0.3,
            decision_id=uuid.UUID(int=number) if number % 3 else None,
        )
        _label(instance, people, clarity, number)
    update(project=project)
    return project


def _label(instance: Any, people: list[Annotator], clarity: Criterion, number: int) -> None:
    size = instance.completions.count()
    for place, who in enumerate(people):
        first = (number + place) % 3
        ranking = [1] * size if first == 2 else [*([1, 2] if first else [2, 1]), *[3] * (size - 2)]
        make_annotation(
            instance,
            who,
            ranking,
            strength=None if first == 2 or size > 2 else [1 / 3, 1e-05, 1.0][number % 3],
            tie_kind="tie" if first == 2 else "",
            confidence=1 + number % 5 if place else None,
            rationale="Weil „so“ \\ / \x1b" if number % 2 else "",
            reasons=["clearer", "größer"] if number % 3 == 0 else [],
            attributes={"edit": {"position": 0, "text": "ü"}, "x": 1e-9} if number == 5 else {},
            shown_order=list(range(size)) if place != 1 else None,
            seconds=None if place == 3 else 1e16 if number == 7 else 2.5 * number,
            decision_id=uuid.UUID(int=99) if number == 4 else None,
        )
        scores = [(number + place) % 5 + 1, None if number == 6 else 3, *[2] * (size - 2)]
        make_annotation(instance, who, (), clarity, scores=scores)
    make_annotation(instance, people[0], ranking, purpose="repeat")


@pytest.mark.parametrize("name", GOLDEN)
def test_the_hash_is_that_of_before(name: str) -> None:
    snapshot = build_snapshot(project=rich(), query=QUERIES[name])
    assert snapshot.content_hash == GOLDEN[name]


@pytest.mark.parametrize("name", QUERIES)
def test_the_hash_is_made_of_what_the_files_hold(name: str, media: Path) -> None:
    """Whoever has the folder can check it with a JSON writer and sha256."""
    snapshot = build_snapshot(project=rich(), query=QUERIES[name])
    assert recomputed(snapshot, media / snapshot.folder) == snapshot.content_hash


def recomputed(snapshot: Snapshot, folder: Path) -> str:
    query = snapshot.query
    labels = pq.read_table(folder / "annotations.parquet").to_pylist()
    digests = [
        content_hash([row, [x for x in labels if x["instance_id"] == row["instance_id"]]])
        for row in pq.read_table(folder / "instances.parquet").to_pylist()
    ]
    for split in snapshot.manifest["rows"]:
        for row in pq.read_table(folder / f"{split}.parquet").to_pylist():
            behind = [
                label
                for label in labels
                if label["instance_id"] == row["instance_id"]
                and label["criterion"] == query["criterion"]
                and label["purpose"] in DATA
            ]
            digests.append(content_hash([row | {"split": split}, behind]))
    digest = hashlib.sha256(canonical_json(query).encode())
    for each in sorted(digests):
        digest.update(each.encode())
    return digest.hexdigest()
