"""The numbers of scored shapes by hand: win shares, triples, gaps in order, scores asked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.models import Snapshot
from annotation.datasets.services import build_snapshot
from tests.factories import make_annotation, make_annotator, make_instance, make_project

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def pairs() -> Snapshot:
    """Won two to one without a strength, clearly by one, slightly by one; by the id."""
    project = make_project()
    people = [make_annotator(project, kind="import") for _ in range(3)]
    given: dict[str, list[tuple[tuple[int, int], float | None]]] = {
        "divided": [((1, 2), None), ((1, 2), None), ((2, 1), None)],
        "clear": [((2, 1), 1.0)],
        "slight": [((1, 2), 0.5)],
    }
    for name, labels in given.items():
        instance = make_instance(project, (f"{name} a", f"{name} b"), external_id=name)
        for person, (ranking, strength) in zip(people, labels, strict=False):
            make_annotation(instance, person, ranking, strength=strength)
    update(project=project)
    return build_snapshot(project=project, query={})


@pytest.fixture
def ranked() -> Snapshot:
    """Three completions; both annotators put the last one last and differ about the others."""
    project = make_project(kind="listwise")
    instance = make_instance(project, ("a", "b", "c"), generators=("x", "y", "z"))
    for ranking in ((1, 2, 3), (1, 2, 3), (2, 1, 3)):
        make_annotation(instance, make_annotator(project, kind="import"), ranking)
    update(project=project)
    return build_snapshot(project=project, query={})


def rows(snapshot: Snapshot, media: Path, shape: str) -> list[dict[str, Any]]:
    made = export(snapshot=snapshot, shape=shape, format="jsonl")
    return [json.loads(line) for line in (media / made.path).read_text().splitlines()]


def test_a_score_is_the_share_of_comparisons_won(ranked: Snapshot, media: Path) -> None:
    found = {
        row["completion"]: (row["score"], row["rank"]) for row in rows(ranked, media, "scored")
    }
    assert found["a"] == (pytest.approx((2 / 3 + 1) / 2), 1)
    assert found["b"] == (pytest.approx((1 / 3 + 1) / 2), 2)
    assert found["c"] == (pytest.approx(0), 3)


def test_a_triple_is_the_best_one_between_and_the_worst(ranked: Snapshot, media: Path) -> None:
    (row,) = rows(ranked, media, "triples")
    assert (row["gold"], row["chosen"], row["rejected"]) == ("a", "b", "c")
    assert row["score_gold"] > row["score_chosen"] > row["score_rejected"]


def test_a_curriculum_begins_with_the_widest_gap(pairs: Snapshot, media: Path) -> None:
    found = {row["instance_id"]: row for row in rows(pairs, media, "curriculum")}
    gaps = {name: (row["order"], row["gap"]) for name, row in found.items()}
    assert gaps == {
        "clear": (0, pytest.approx(1)),
        "slight": (1, pytest.approx(0.5)),
        "divided": (2, pytest.approx(1 / 3)),
    }
    assert found["slight"]["difficulty"] == pytest.approx(0.5)


def test_pairs_of_a_ranking_are_apart_by_their_scores(ranked: Snapshot, media: Path) -> None:
    found = rows(ranked, media, "curriculum")
    texts = {row["order"]: (row["chosen"], row["rejected"], row["gap"]) for row in found}
    told = {k: (a[0]["content"], b[0]["content"], gap) for k, (a, b, gap) in texts.items()}
    assert told == {
        0: ("a", "c", pytest.approx(5 / 6)),
        1: ("b", "c", pytest.approx(2 / 3)),
        2: ("a", "b", pytest.approx(1 / 6)),
    }


def test_asked_for_the_worse_score_the_worse_one_is_chosen(pairs: Snapshot, media: Path) -> None:
    found = [row for row in rows(pairs, media, "conditioned") if row["instance_id"] == "divided"]
    chosen = {row["chosen"][0]["content"]: row for row in found}
    assert {text: row["goal"] for text, row in chosen.items()} == {
        "divided a": pytest.approx(2 / 3),
        "divided b": pytest.approx(1 / 3),
    }
    for text, goal in (("divided a", "0.67"), ("divided b", "0.33")):
        asked = chosen[text]["prompt"][0]
        assert (asked["role"], goal in asked["content"]) == ("system", True)
        assert chosen[text]["score_chosen"] == chosen[text]["goal"]
