"""Import → snapshot → export → import: what a shape carries comes back as it was."""

from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.consensus.services import update
from annotation.datasets.exporters import export
from annotation.datasets.services import build_snapshot
from annotation.instances.adapters import adapt, recognise
from annotation.instances.importing import Importer
from annotation.instances.lines import Line
from annotation.instances.models import Instance
from annotation.instances.readers import read_rows
from annotation.labels.models import Annotation
from tests.factories import make_project

from .worlds import (
    Json,
    edited,
    everything,
    graded,
    ranked,
    reasoned,
    scored,
    strict,
    world,
)

pytestmark = pytest.mark.django_db
# Shape → kind of the project and what its labels may say.
CARRIED: dict[str, tuple[str, st.SearchStrategy[list[Json]]]] = {
    "pairs": ("pairwise", world(says=ranked)),
    "joint": ("pairwise", world(says=strict)),
    "trl": ("pairwise", world(says=strict)),
    "trl-standard": ("pairwise", world(says=strict, turns=False)),
    "trl-implicit": ("pairwise", world(says=strict)),
    "curriculum": ("pairwise", world(says=strict)),
    "rewardbench": ("pairwise", world(says=strict, turns=False)),
    "helpsteer3": ("pairwise", world(says=graded)),
    "multipref": ("pairwise", world(says=ranked, turns=False)),
    "listwise": ("listwise", world(says=strict, count=3)),
    "scored": ("listwise", world(says=strict, count=3)),
    "triples": ("listwise", world(says=strict, count=3)),
    "unpaired": ("binary", world(says=scored(0, 1))),
    "unpaired-standard": ("binary", world(says=scored(0, 1), turns=False)),
    "ratings": ("rating", world(says=scored(1, 5))),
    "edits": ("pairwise", world(says=edited)),
    "rationales": ("pairwise", world(says=reasoned)),
}
WHOLE: dict[str, tuple[str, st.SearchStrategy[list[Json]]]] = {
    "labels": ("pairwise", world(says=everything, people=3)),
    "interchange": ("pairwise", world(says=everything, people=3)),
}
FORMATS = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "parquet")
QUICK = settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def brought(kind: str, lines: Iterator[Line] | list[Line]) -> Project:
    """A new project with these lines in it, and its consensus."""
    project = make_project(kind=kind)
    importer = Importer(project, reveal=True)
    importer.read(lines)
    assert not importer.report().errors, importer.report().errors
    update(project=project)
    return project


def sent_round(shape: str, kind: str, given: list[Json], media: Path, form: str) -> list[Project]:
    """The project as it was imported, and as it came back from its export."""
    first = brought(kind, [Line(number, row) for number, row in enumerate(given, 1)])
    snapshot = build_snapshot(project=first, query={})
    made = export(snapshot=snapshot, shape=shape, format=form, options={"annotators": "project"})
    path = media / made.path
    rows = list(read_rows(path, path.name))
    sample = [row.value for row in rows if row.value is not None]
    guess = recognise(sample, path.name)[0]
    return [first, brought(kind, adapt(guess.adapter, rows, {}))]


def texts_of(project: Project) -> dict[str, Any]:
    """Prompt, and the completions that came along in any order, by the instance's name."""
    rows = Instance.objects.filter(project=project).prefetch_related("completions")
    return {
        row.external_id: (row.messages, {each.text for each in row.completions.all()})
        for row in rows
    }


def worth_of(project: Project) -> dict[str, dict[str, float]]:
    """What the labels say of each completion: its worth, or its mean score."""
    found: dict[str, dict[str, float]] = {}
    for row in Consensus.objects.filter(instance__project=project, scope=Scope.MIXED):
        texts = [each.text for each in row.instance.completions.all()]
        found[row.instance.external_id] = dict(zip(texts, row.worth, strict=True))
    for instance in Instance.objects.filter(project=project):
        scores = [row.scores for row in instance.annotations.all() if row.scores]
        for place, each in enumerate(instance.completions.all() if scores else ()):
            given = [said for row in scores if (said := row[place]) is not None]
            if given:
                found.setdefault(instance.external_id, {})[each.text] = mean(given)
    return found


def labels_of(project: Project, name: str) -> list[tuple[Any, ...]]:
    """Every label with all that was noted of it; `name` is how its annotator is called."""
    rows = Annotation.objects.filter(project=project).select_related("annotator", "instance")
    return sorted(
        (
            row.instance.external_id,
            getattr(row.annotator, name),
            row.ranking,
            row.strength,
            row.confidence,
            row.rationale,
            row.seconds,
            row.shown_order,
        )
        for row in rows
    )


@pytest.mark.parametrize("shape", CARRIED)
def test_what_a_shape_carries_comes_back(shape: str, media: Path) -> None:
    kind, worlds = CARRIED[shape]

    @QUICK
    @given(worlds)
    def goes_round(rows: list[Json]) -> None:
        first, again = sent_round(shape, kind, rows, media, "jsonl")
        was, now = texts_of(first), texts_of(again)
        worths, found = worth_of(first), worth_of(again)
        assert now.keys() == was.keys()
        for name, (prompt, texts) in was.items():
            assert now[name] == (prompt, texts)
            assert found[name] == pytest.approx(worths[name])

    goes_round()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", WHOLE)
def test_everything_comes_back(shape: str, form: str, media: Path) -> None:
    kind, worlds = WHOLE[shape]

    @QUICK
    @given(worlds)
    def goes_round(rows: list[Json]) -> None:
        first, again = sent_round(shape, kind, rows, media, form)
        assert texts_of(again) == texts_of(first)
        assert labels_of(again, "name") == labels_of(first, "pseudonym")

    goes_round()
