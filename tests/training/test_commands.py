"""Commands of `python -m training` run for a job."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_django.fixtures import Settings

from jobs import registry
from jobs.context import JobContext
from jobs.models import Job
from jobs.runner import run as run_job
from jobs.services import submit
from training.runs import commands

pytestmark = pytest.mark.django_db


def run(work: Any) -> Job:
    registry.register("test.command", work)
    job = submit(kind="test.command", project=None, arguments={})
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    return job


def test_texts_become_unit_vectors_in_the_order_of_their_ids() -> None:
    found: dict[str, Any] = {}

    def work(ctx: JobContext) -> dict[str, Any]:
        texts = ["a cat sat on the mat", "the kitten sat on a rug", "interest rates rose again"]
        found["ids"], found["vectors"] = commands.embed_texts(ctx, ["3", "1", "2"], texts)
        return {}

    job = run(work)
    assert job.error == ""
    assert found["ids"] == ["3", "1", "2"]
    vectors = found["vectors"]
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_an_encoder_outside_the_allowed_folders_is_refused(tmp_path: Path) -> None:
    job = run(lambda ctx: {"n": len(commands.embed_texts(ctx, ["1"], ["x"], str(tmp_path))[0])})
    assert job.state == "failed"
    assert "MODEL_ROOTS" in job.error


def test_a_refusal_names_the_field() -> None:
    job = run(lambda ctx: commands.run_command(ctx, "score", {"model": "m"}))
    assert job.state == "failed"
    assert job.error == "`data` is missing. Add `data`."


def test_secrets_are_not_passed_on(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setenv("SECRET_KEY", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    settings.TRAINING_THREADS = 3
    passed = commands.environment()
    assert not {"SECRET_KEY", "DATABASE_URL", "BROKER_URL"} & passed.keys()
    assert (passed["CUDA_VISIBLE_DEVICES"], passed["OMP_NUM_THREADS"]) == ("1", "3")
    assert passed["HF_HUB_OFFLINE"] == "1"
