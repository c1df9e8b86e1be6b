"""The real data beside the checkout imports without a single refused line."""

from pathlib import Path

import pytest

from annotation.instances.models import RecordedLabel
from annotation.instances.readers import read_rows
from annotation.instances.services import import_records
from annotation.labels.models import Annotation
from tests.factories import make_project

NORM = Path(__file__).resolve().parents[3] / "shared" / "data" / "norm"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.shared,
    pytest.mark.skipif(not NORM.is_dir(), reason="needs ../shared/data beside the checkout"),
]


@pytest.mark.parametrize(
    ("name", "kind", "created", "duplicates", "labels"),
    [
        ("crowdrag25_pairs.jsonl", "pairwise", 645, 0, 4500 + 1020),
        ("llmfao.jsonl", "pairwise", 2139, 0, 8931 + 4278),
        # 99 of 999 pairs repeat prompt and completions of another.
        ("pandalm_testset.jsonl", "pairwise", 900, 99, 4480),
        ("tulu1_human_eval.jsonl", "pairwise", 756, 0, 869),
        ("oasst_en100_listwise.jsonl", "listwise", 212, 0, 212),
        ("squality_human_eval.jsonl", "listwise", 100, 0, 300),
        # Three completions make three pairs.
        ("squality_human_eval.jsonl", "pairwise", 300, 0, 900),
        ("crowdrag25_listwise_aggregate.jsonl", "listwise", 43, 0, 43),
    ],
)
def test_a_real_file_imports_whole(
    name: str, kind: str, created: int, duplicates: int, labels: int
) -> None:
    project = make_project(kind=kind)
    report = import_records(project=project, lines=read_rows(NORM / name), reveal=False)
    assert report.errors == []
    assert (report.created, report.duplicates, report.labels) == (created, duplicates, labels)
    assert RecordedLabel.objects.filter(instance__project=project).count() == labels


def test_every_real_vote_becomes_an_annotation() -> None:
    project = make_project()
    lines = read_rows(NORM / "crowdrag25_pairs.jsonl")
    import_records(project=project, lines=lines, reveal=True)
    # One judge in two modes on 255 pairs, each mode asked in both orders.
    votes = Annotation.objects.filter(project=project)
    assert votes.filter(annotator__kind="import").count() == 4500
    assert votes.filter(annotator__kind="judge").count() == 255 * 2
