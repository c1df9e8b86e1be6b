"""The job computes what is lacking, once, keeps what a cancel leaves, and takes in newcomers."""

import math
from typing import Any

import numpy as np
import pytest

from accounts.models import Project
from annotation.instances.models import InstanceState
from core.exceptions import InvalidInput
from jobs.context import JobContext
from jobs.models import Job, State
from jobs.runner import run_queued
from jobs.services import cancel
from routing.features import encoding, jobs, pending
from routing.features.encoding import length_penalty
from routing.features.extractors import ENCODED_FEATURES, TEXT
from routing.features.models import Embedding, FeatureVector
from routing.features.project import feature_table
from routing.features.services import compute_features, is_computing
from tests.factories import make_instance, make_project

pytestmark = pytest.mark.django_db

ALIKE = ("A cat sat on the mat.", "A cat sat on a mat.")
APART = ("A cat sat on the mat.", "Interest rates rose again in March, said the bank of England.")


def compute(project: Project, **options: Any) -> Job:
    job = compute_features(project=project, **options)
    run_queued(job)
    job.refresh_from_db()
    return job


@pytest.fixture
def project() -> Project:
    project = make_project()
    for texts in (ALIKE, APART):
        make_instance(project, texts=texts, prompt="Tell me something.")
    return project


def ids_of(project: Project) -> list[int]:
    return list(project.instances.order_by("pk").values_list("pk", flat=True))


def test_it_computes_everything_once_and_then_only_what_came(project: Project) -> None:
    make_instance(project, texts=("alone",))
    make_instance(project, state=InstanceState.DROPPED)

    first, again = compute(project), compute(project)
    make_instance(project, texts=("x y", "y z", "z"))
    later = compute(project)

    assert (first.error, again.error, later.error) == ("", "", "")
    assert first.result is not None
    assert again.result is not None
    assert later.result is not None
    assert first.result["computed"] == {"text": 2, "embedding": 2}
    assert again.result["computed"] == {"text": 0, "embedding": 0}
    assert later.result["computed"] == {"text": 1, "embedding": 1}
    assert first.result["extractors"]["text"] == TEXT
    children = Job.objects.filter(kind=jobs.ENCODE_KIND)
    # The sentence about the cat stands in both pairs and is embedded once.
    assert [each.result["texts"] for each in children.order_by("pk") if each.result] == [3, 3]
    assert {each.queue for each in children} == {"gpu"}


def test_the_features_say_how_alike_the_completions_are(project: Project) -> None:
    compute(project)
    found = feature_table(project, ids_of(project), embeddings=True)

    places = [found.table.names.index(name) for name in ENCODED_FEATURES]
    cosine, f1, penalised = found.table.values[:, places].T
    for values in (cosine, f1, penalised):
        assert 1 >= values[0] > values[1]
    # Six tokens each, and six beside eleven.
    assert penalised / f1 == pytest.approx([1, math.exp(1 - 11 / 6)])
    assert found.differences is not None
    # The distance of two unit vectors and their cosine say the same.
    distance = (found.differences.astype(np.float64) ** 2).sum(axis=1)
    assert 1 - distance / 2 == pytest.approx(cosine, abs=2e-3)
    assert found.missing == {}


def test_a_cancel_keeps_the_batches_that_are_stored(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "BATCH", 1)
    real = encoding.encode

    def encode_and_cancel(context: JobContext, *arguments: Any, **options: Any) -> int:
        done = real(context, *arguments, **options)
        assert context.job.parent is not None
        cancel(job=context.job.parent)
        return done

    monkeypatch.setattr(jobs, "encode", encode_and_cancel)
    stopped = compute(project)
    monkeypatch.setattr(jobs, "encode", real)
    assert stopped.state == State.CANCELLED
    assert Embedding.objects.count() == 1

    rest = compute(project)
    assert rest.result is not None
    assert rest.result["computed"] == {"text": 0, "embedding": 1}


def test_a_newer_extractor_computes_anew_and_is_the_one_that_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute(project)
    monkeypatch.setattr(
        jobs, "encoder_identity", lambda folder: ("all-MiniLM-L6-v2", "next" if not folder else "")
    )
    compute(project)
    found = feature_table(project, ids_of(project))
    assert found.extractors["embedding"] == "all-MiniLM-L6-v2@next/prompt400"
    assert Embedding.objects.count() == 4


def test_without_an_encoder_there_are_text_features(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "can_encode", lambda folder: folder is not None)
    job = compute(project)
    assert job.result is not None
    assert job.result["note"] == jobs.NO_ENCODER
    assert FeatureVector.objects.filter(extractor=TEXT).count() == 2
    assert feature_table(project, ids_of(project)).missing == {"embedding": 2}


def test_one_at_a_time(project: Project) -> None:
    job = compute_features(project=project)
    assert compute_features(project=project) == job
    assert is_computing(project)
    assert compute_features(project=make_project()) != job


def test_an_encoder_outside_the_allowed_folders_is_refused(project: Project) -> None:
    with pytest.raises(InvalidInput, match="MODEL_ROOTS"):
        compute_features(project=project, encoder="../../etc")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("a", "b", "penalty"), [(4, 4, 1), (2, 4, math.exp(-1)), (0, 3, 0), (0, 0, 1)]
)
def test_the_length_penalty_is_symmetric(a: int, b: int, penalty: float) -> None:
    assert length_penalty(a, b) == length_penalty(b, a) == pytest.approx(penalty)
