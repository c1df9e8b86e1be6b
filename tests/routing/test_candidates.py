"""Choosing candidates: quality and diversity together."""

import json
from io import StringIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from accounts.models import Project
from annotation.instances.models import Instance
from annotation.instances.parsing import Notes, parse_instances
from annotation.labels.models import Annotation
from annotation.projects.models import Kind
from core.exceptions import InvalidInput
from routing.candidates import selecting
from routing.candidates.selecting import choose, distances, spread
from routing.features.models import Embedding
from tests.factories import make_annotator, make_instance, make_project


def planted(n: int = 7, d: int = 5, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=n)


def objective(
    vectors: np.ndarray, quality: np.ndarray, places: tuple[int, ...], weight: float
) -> float:
    """Written out once more, pair by pair."""
    unit = [v / np.sqrt(sum(x * x for x in v)) for v in vectors]
    far = {p: 1 - float(unit[p[0]] @ unit[p[1]]) for p in combinations(range(len(unit)), 2)}
    good = (quality - quality.min()) / (quality.max() - quality.min())
    pairs = [far[p] / max(far.values()) for p in combinations(places, 2)]
    return float(sum(good[p] for p in places) / len(places) + weight * sum(pairs) / len(pairs))


@pytest.mark.parametrize("weight", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("k", [2, 3])
def test_the_best_of_all_sets_is_chosen(k: int, weight: float) -> None:
    vectors, quality = planted()
    found = choose(vectors, k, quality=quality, weight=weight)
    every = {s: objective(vectors, quality, s, weight) for s in combinations(range(7), k)}
    assert every[found.places] == pytest.approx(max(every.values()))
    if weight == 0:
        assert set(found.places) == set(np.argsort(-quality)[:k].tolist())
    away = distances(vectors)
    assert found.diversity_before == pytest.approx(away[np.triu_indices(7, 1)].mean())


def test_exchanges_come_near_the_best_of_all_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(10):
        vectors, quality = planted(9, seed=seed)
        best = choose(vectors, 4, quality=quality)
        with monkeypatch.context() as patch:
            patch.setattr(selecting, "MOST_SETS", 1)
            found = choose(vectors, 4, quality=quality)
        reached = objective(vectors, quality, found.places, 1.0)
        assert reached >= 0.97 * objective(vectors, quality, best.places, 1.0)


def test_copies_are_not_sent_beside_each_other() -> None:
    vectors = np.array([[1.0, 0], [1, 0.001], [0, 1]])
    quality = np.array([1.0, 0.9, 0.2])
    assert choose(vectors, 2, quality=quality, weight=0).places == (0, 1)
    assert choose(vectors, 2, quality=quality, weight=1).places == (0, 2)
    assert choose(np.ones((4, 3)), 2).homogeneous
    assert not choose(vectors, 2).homogeneous
    assert spread(distances(np.eye(3))) == pytest.approx(1)


def test_without_quality_the_usual_answer_stands_for_it() -> None:
    # Two clusters of usual answers and one that is unlike everything.
    vectors = np.array([[1, 0, 0], [1, 0.1, 0], [1, 0, 0.1], [0.6, 0.6, 0], [-1, 0, 0.2]])
    assert 4 not in choose(vectors, 2, weight=0).places
    assert 4 in choose(vectors, 2, weight=5).places
    unknown = choose(vectors, 2, quality=np.full(5, np.nan))
    assert unknown.diversity == pytest.approx(distances(vectors).max())


@pytest.mark.parametrize(
    ("vectors", "k", "reason"),
    [
        (np.eye(3), 1, "2 to 3"),
        (np.eye(3), 4, "2 to 3"),
        (np.zeros((3, 2)), 2, "no embedding"),
        (np.full((3, 2), np.nan), 2, "no embedding"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(vectors: np.ndarray, k: int, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        choose(vectors, k)


@pytest.mark.django_db
def test_a_file_is_written_that_can_be_imported(tmp_path: Path) -> None:
    project = make_project()
    full = candidates(project, "full", [[1, 0], [1, 0.01], [0, 1], [0.9, 0.1]])
    make_instance(project)
    judge = make_annotator(project, kind="judge")
    criterion = project.criteria.get()
    Annotation.objects.create(
        project=project,
        instance=full,
        annotator=judge,
        criterion=criterion,
        ranking=[2, 3, 4, 1],
        client_id="6f0f3b52-5a0e-4f7e-9b64-7a8b1d0f2c11",
        payload_hash="x",
    )
    file, said = tmp_path / "chosen.jsonl", StringIO()
    call_command("select_candidates", project.slug, str(file), "--weight", "0", stdout=said)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert "1 instances written, 1 with a known quality" in said.getvalue()
    assert "1 left out: they have not more candidates" in said.getvalue()
    assert [r["text"] for r in lines[0]["responses"]] == ["answer 0", "answer 3"]
    read = parse_instances(lines[0], Kind.PAIRWISE, Notes())
    assert [each.external_id for each in read] == ["full"]
    assert [side.text for side in read[0].completions] == ["answer 0", "answer 3"]
    # Distance counts: the two best are nearly the same answer.
    call_command("select_candidates", project.slug, str(file), "--weight", "9", stdout=said)
    texts = {r["text"] for r in json.loads(file.read_text())["responses"]}
    assert "answer 2" in texts


@pytest.mark.django_db
def test_candidates_that_hardly_differ_are_warned_of(tmp_path: Path) -> None:
    project = make_project()
    with pytest.raises(CommandError, match="no embeddings"):
        call_command("select_candidates", project.slug, str(tmp_path / "f"))
    candidates(project, "same", [[1, 0], [1, 0.01], [1, 0.02]])
    said = StringIO()
    call_command("select_candidates", project.slug, str(tmp_path / "f"), stdout=said)
    assert "hardly differ" in said.getvalue()
    with pytest.raises(CommandError, match="at least 2"):
        call_command("select_candidates", project.slug, str(tmp_path / "f"), "--keep", "1")


def candidates(project: Project, key: str, vectors: list[list[float]]) -> Instance:
    row = make_instance(project, [f"answer {n}" for n in range(len(vectors))], external_id=key)
    Embedding.objects.create(
        instance=row,
        extractor="tiny@1/prompt400",
        vectors=np.array(vectors, "<f2").tobytes(),
        dimensions=2,
    )
    return row
