"""A query narrows labels, consensus and instances; its counts say so before anything is built."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from accounts.models import Project
from annotation.consensus.services import update
from annotation.datasets.counts import count
from annotation.datasets.models import Snapshot
from annotation.datasets.queries import normalise
from annotation.datasets.services import build_snapshot
from annotation.instances.models import Instance, Signal
from annotation.queue.models import Assignment
from core.exceptions import InvalidInput
from routing.decisions.models import Decision, Router
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def project() -> Project:
    """Eight instances of four prompts: two people, of whom the second says otherwise on half of
    them, and a judge."""
    project = make_project()
    people = [
        make_annotator(project, "ada", kind="import", cohort="nurses"),
        make_annotator(project, "bo", kind="import"),
    ]
    for each, name in zip(people, ("p-ada", "p-bo"), strict=True):
        each.pseudonym = name
        each.save()
    judge = make_annotator(project, "judge", kind="judge", simulated=True)
    for number in range(8):
        instance = make_instance(
            project,
            external_id=f"case-{number}",
            prompt=f"Question {number // 2}?",
            tags=["even" if number % 2 == 0 else "odd", "all"],
            state="settled" if number < 6 else "new",
        )
        make_annotation(instance, people[0], (1, 2))
        make_annotation(instance, people[1], (1, 2) if number % 2 else (2, 1))
        make_annotation(instance, judge, (2, 1))
        Signal.objects.create(instance=instance, name="difficulty", version="1", value=9.0)
        if number:
            Signal.objects.create(
                instance=instance, name="difficulty", version="2", value=number / 10
            )
    update(project=project)
    return project


def rows_of(snapshot: Snapshot, media: Path, name: str = "train") -> list[dict[str, Any]]:
    return list(pq.read_table(media / snapshot.folder / f"{name}.parquet").to_pylist())


@pytest.mark.parametrize(
    ("query", "instances", "labels"),
    [
        ({}, 8, 24),
        ({"kinds": ["judge"]}, 8, 8),
        ({"cohorts": ["nurses"]}, 8, 8),
        ({"annotators": {"out": ["p-bo"]}}, 8, 16),
        ({"annotators": {"in": ["p-bo"]}}, 8, 8),
        # Imports and judges also by the name that they came with.
        ({"annotators": {"in": ["bo", "judge"]}}, 8, 16),
        ({"simulated": "without"}, 8, 16),
        ({"agreement": {"least": 0.9}}, 4, 12),
        ({"agreement": {"most": 0.6}}, 4, 12),
        ({"sources": ["human"]}, 8, 24),
        ({"sources": ["judge"]}, 0, 0),
        ({"consensus": {"methods": ["majority"]}}, 8, 24),
        ({"consensus": {"versions": [7]}}, 0, 0),
        ({"tags": {"any": ["odd"]}}, 4, 12),
        ({"tags": {"any": ["all"], "without": ["odd"]}}, 4, 12),
        ({"states": ["new"]}, 2, 6),
        # The newest value counts; the first instance has an old one only.
        ({"signals": {"difficulty": [0.35, 0.65]}}, 3, 9),
        ({"signals": {"difficulty": [None, 0.25]}}, 2, 6),
        ({"signals": {"none": [0.1, None]}}, 0, 0),
        ({"signals": {"none": [0.1, None]}, "unknown": "keep"}, 8, 24),
        ({"dates": {"to": "2020-01-01"}}, 0, 0),
        ({"dates": {"from": "2020-01-01"}}, 8, 24),
        ({"criterion": "*", "kinds": ["judge"]}, 8, 8),
    ],
)
def test_counts_are_what_is_built(
    project: Project, media: Path, query: dict[str, Any], instances: int, labels: int
) -> None:
    counts = count(project, query)
    assert (counts.instances, counts.all_labels, counts.about) == (instances, labels, False)
    if not instances:
        with pytest.raises(InvalidInput, match="Nothing matches"):
            build_snapshot(project=project, query=query)
        return
    snapshot = build_snapshot(project=project, query=query)
    assert snapshot.manifest["instances"] == instances
    assert len(rows_of(snapshot, media, "annotations")) == labels
    if query.get("criterion") != "*":
        assert len(rows_of(snapshot, media)) == counts.rows == counts.pairs
    assert sum(counts.prompts.values()) >= 1


@pytest.mark.parametrize("side", ["in", "out"])
def test_annotators_that_are_not_there_are_named(project: Project, side: str) -> None:
    person = make_annotator(project, "carla")
    query = {"annotators": {side: [person.pseudonym, "carla", "p-bo"]}}
    # Names of people are no way to their pseudonyms.
    with pytest.raises(InvalidInput, match="no annotator 'carla'"):
        count(project, query)


def test_rows_are_the_majority_of_the_labels_that_stay(project: Project, media: Path) -> None:
    snapshot = build_snapshot(project=project, query={"annotators": {"in": ["p-bo"]}})
    scores = {row["instance_id"]: row["score"] for row in rows_of(snapshot, media)}
    assert (scores["case-0"], scores["case-1"]) == ([0.0, 1.0], [1.0, 0.0])
    assert snapshot.manifest["consensus_methods"] == ["majority of these labels"]


def test_labels_given_with_a_reason(project: Project, media: Path) -> None:
    for instance in project.instances.filter(external_id__in=["case-1", "case-2"]):
        person = make_annotator(project, kind="import")
        make_annotation(instance, person, (2, 1), reasons=["clearer", "shorter"])
    snapshot = build_snapshot(project=project, query={"reasons": ["shorter", "kinder"]})
    rows = {row["instance_id"]: row["score"] for row in rows_of(snapshot, media)}
    assert rows == {"case-1": [0.0, 1.0], "case-2": [0.0, 1.0]}
    assert {tuple(row["reasons"]) for row in rows_of(snapshot, media, "annotations")} == {
        ("clearer", "shorter")
    }
    assert count(project, {"reasons": ["kinder"]}).all_labels == 0


def test_each_filter_says_what_it_takes_away(project: Project) -> None:
    query = {"states": ["settled"], "tags": {"any": ["odd"]}, "agreement": {"most": 0.6}}
    steps = [(step.name, step.left, step.removed) for step in count(project, query).steps]
    assert steps == [
        ("labelled", 8, 0),
        ("states", 6, 2),
        ("tags.any", 3, 3),
        ("agreement.most", 0, 3),
    ]


def test_prompts_by_split_are_those_that_are_drawn(project: Project) -> None:
    query = {"splits": {"test": 0.4}}
    assert count(project, query).prompts == {"test": 2, "train": 2}
    assert build_snapshot(project=project, query=query).manifest["prompts"] == {
        "test": 2,
        "train": 2,
    }
    assert "There are 4 prompts" in count(project, {"splits": {"a": 0.3, "b": 0.3}}).problem


def test_very_many_are_counted_by_a_share_of_the_prompts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotation.datasets.counts.MOST_COUNTED", 4)
    prompts = project.instances.values_list("prompt_hash", flat=True)
    below = sum(prompt < "80000000" for prompt in prompts)
    counts = count(project, {})
    assert (counts.about, counts.instances) == (True, 2 * below)
    assert count(project, {}, exact=True).instances == 8


def test_decisions_of_a_router(project: Project) -> None:
    first, second = Instance.objects.filter(project=project).order_by("pk")[:2]
    for instance, version in ((first, 1), (second, 2)):
        router = Router.objects.create(
            project=project,
            version=version,
            strategy=f"strategy-{version}",
            parameters={},
            report={},
            dual_labelled=0,
        )
        shared = {"instance": instance, "destination": "human", "arm": "routed", "propensity": 0.5}
        decision = Decision.objects.create(project=project, router=router, reason="", **shared)
        Assignment.objects.create(decision_id=decision.pk, **shared)
    for part, found in (
        ({"strategies": ["strategy-1"]}, 1),
        ({"routers": [1, 2]}, 2),
        ({"strategies": ["strategy-1"], "routers": [2]}, 0),
        ({"propensity_known": True}, 2),
        ({"propensity_known": False}, 6),
        ({"arms": ["routed"], "destinations": ["human"]}, 2),
    ):
        assert count(project, {"decisions": part}).instances == found


def test_equal_queries_are_written_one_way() -> None:
    plain = normalise({}, default_criterion="overall")
    empty: dict[str, Any] = {"kinds": [], "annotators": {"in": []}, "signals": {}}
    same = empty | {"unknown": "drop", "dates": None}
    assert normalise(same, default_criterion="overall") == plain
    one = {"kinds": ["person", "judge", "person"], "dates": {"to": "2026-01-31"}}
    other = {"kinds": ["judge", "person"], "dates": {"to": "2026-02-01T00:00:00+00:00"}}
    assert normalise(one, default_criterion="x") == normalise(other, default_criterion="x")


@pytest.mark.parametrize(
    "query",
    [
        {"kinds": "person"},
        {"kinds": ["robot"]},
        {"annotators": {"with": []}},
        {"dates": {"from": "yesterday"}},
        {"dates": {"from": "2026-02-01", "to": "2026-01-01"}},
        {"agreement": {"least": 2}},
        {"agreement": {"least": 0.9, "most": 0.6}},
        {"signals": {"difficulty": [1]}},
        {"signals": {"difficulty": [2, 1]}},
        {"signals": {"difficulty": [float("nan"), 1]}},
        {"decisions": {"propensity_known": 1}},
        {"decisions": {"routers": ["1"]}},
        {"criterion": "*", "agreement": {"least": 0.6}},
        {"criterion": "*", "pairs_from_ratings": 1},
        {"splits": {"test": "half"}},
        {"splits": [1]},
        {"instances": {"arms": "seed"}},
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        normalise(query, default_criterion="overall")
