"""Full fine-tunes as proxies: the same mixes, trained through the training app, and compared."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import Project
from annotation.consensus.models import Consensus, Scope
from annotation.instances.models import Signal
from annotation.judges.models import Judge, Provider
from annotation.judges.services import create_judge
from annotation.judges.verdicts import signal_name
from core.exceptions import Conflict, InvalidInput
from jobs.context import JobContext
from jobs.models import Job
from jobs.runner import run_queued
from routing.features.extractors import recipe
from routing.features.models import Embedding
from routing.features.store import text_features
from routing.predictor import fine_tunes
from routing.predictor.fine_tunes import Pairs, Size, correlation
from routing.predictor.proxy import accuracy, fit_heads
from routing.proxies.jobs import run_full_proxies
from routing.proxies.services import CHILD, compare_proxies
from tests.factories import make_instance, make_project
from tests.routing import planted
from training.batching.rows import read_rows

SMALL = Size(mixes=4, seeds=1, train=20, evaluate=12, steps=2)


def pairs(n: int = 80, *, prompts: int = 20) -> Pairs:
    seed = planted.seed(n, prompts=prompts)
    assert seed.differences is not None
    texts = tuple((f"first {i}", f"second {i}") for i in range(n))
    return Pairs(
        seed.problem.keys,
        seed.prompts,
        texts,
        seed.problem.features,
        seed.differences,
        seed.human,
        seed.judge,
    )


def test_mixes_share_their_pairs_and_no_prompt_is_on_both_sides() -> None:
    given = pairs()

    plan = fine_tunes.design(given, SMALL, salt="s")

    train, held = ({given.prompts[i] for i in rows} for rows in (plan.train, plan.held))
    assert not train & held
    assert (len(plan.train), len(plan.held), plan.labels.shape) == (20, 12, (4, 20))
    # Where people and the judge agree there is nothing to choose.
    agree = given.human[plan.train] == given.judge[plan.train]
    assert (plan.labels[:, agree] == given.human[plan.train][agree]).all()
    W = fit_heads(given.differences[plan.train], plan.labels)
    assert plan.heads == pytest.approx(
        accuracy(W, given.differences[plan.held], given.human[plan.held])
    )


def test_too_few_pairs_or_mixes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="30 decided pairs are too few for 20"):
        fine_tunes.design(pairs(30), SMALL, salt="s")
    with pytest.raises(InvalidInput, match="at least 4 mixes"):
        fine_tunes.design(pairs(), Size(mixes=3), salt="s")


def test_the_trainer_reads_what_is_written(tmp_path: Path) -> None:
    given = pairs()
    plan = fine_tunes.design(given, SMALL, salt="s")

    folders = fine_tunes.prepare(tmp_path, given, plan, 2, {"steps": 2})

    assert [folder.name for folder in folders[:2]] == ["mix-0-seed-0", "mix-1-seed-0"]
    assert len(folders) == 8
    rows = read_rows(tmp_path / "mix-1.parquet")
    assert [row.preference.pair_p for row in rows] == plan.labels[1].tolist()
    assert rows[0].completions == given.texts[plan.train[0]]
    assert pq.read_table(tmp_path / "held.parquet").num_rows == 12


def test_a_correlation_has_an_interval_and_none_where_a_side_is_constant() -> None:
    rng = np.random.default_rng(0)
    a = np.arange(24.0)

    found = correlation(a, a + rng.normal(0, 4, 24), rng)

    assert found.rho is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.rho < found.high
    assert found.high - found.low < 0.6
    assert correlation(a, np.ones(24), rng).rho is None


def test_noise_between_seeds_is_told_from_what_heads_miss() -> None:
    plan = fine_tunes.design(pairs(), SMALL, salt="s")
    full = np.array([[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])

    report = fine_tunes.compare(plan, full)

    assert report["between_seeds"] == pytest.approx(-1)
    assert report["mixes"][2]["full_accuracy"] == [0.3, 0.2]
    assert report["heads_and_full"]["rho"] is None


def labelled(project: Project, judge: Judge, count: int) -> None:
    """Pairs that people and the judge have both decided, with text features and embeddings."""
    rng = np.random.default_rng(0)
    criterion = project.criteria.get()
    encoder = recipe("small", "1")
    texts: dict[int, tuple[str, tuple[str, ...]]] = {}
    for number in range(count):
        sides = ("right and clear", f"vague {number}")
        instance = make_instance(project, prompt=f"Question {number}", texts=sides)
        texts[instance.pk] = (f"Question {number}", sides)
        human, said = rng.random(2)
        Consensus.objects.create(
            instance=instance,
            criterion=criterion,
            scope=Scope.HUMAN,
            method="majority",
            worth=[human, 1 - human],
            entropy=0.0,
            labels=1,
        )
        name = signal_name("judge_p", judge)
        Signal.objects.create(instance=instance, name=name, version="1", value=said)
        vectors = rng.normal(size=(2, 4)).astype("<f2")
        Embedding.objects.create(
            instance=instance, extractor=encoder, dimensions=4, vectors=vectors.tobytes()
        )
    text_features(texts)


@pytest.fixture
def judge(db: None) -> Judge:
    project = make_project()
    found = create_judge(project=project, name="j", model="m", provider=Provider.RECORDED)
    labelled(project, found, 40)
    return found


def base(root: Path) -> str:
    """The name of a tiny encoder among the allowed models."""
    from tests.training.tiny import bert_model
    from training.fit.models.tokenizer import train_tokenizer

    model, tokenizer = bert_model(), train_tokenizer(["right clear vague Question"] * 4, 300)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(root / "tiny")
    tokenizer.save_pretrained(root / "tiny")
    return "tiny"


@pytest.mark.slow
def test_every_mix_is_trained_once_on_the_queue_of_models(
    judge: Judge, settings: LazySettings, tmp_path: Path
) -> None:
    settings.JOBS_INLINE = True
    settings.MODEL_ROOTS = [tmp_path]
    # Numbers of jobs begin again with every test data base; folders must too.
    settings.VAR_DIR = tmp_path / "var"
    options: dict[str, Any] = {"base": base(tmp_path), "steps": 2, "freeze_layers": 0}
    size = Size(mixes=4, seeds=1, train=12, evaluate=8, steps=2)
    job = compare_proxies(project=judge.project, judge=judge, size=size, options=options)
    with pytest.raises(Conflict):
        compare_proxies(project=judge.project, judge=judge)

    job = run_queued(job)

    assert job.state == "succeeded", job.error
    children = Job.objects.filter(kind=CHILD, parent=job)
    assert job.result is not None
    assert {child.queue for child in children} == {"gpu"}
    assert [child.state for child in children] == ["succeeded"] * 4
    full = [row["full_accuracy"][0] for row in job.result["mixes"]]
    assert full == [(child.result or {})["accuracy"] for child in children.order_by("pk")]
    assert job.result["evaluation_pairs"] == 8
    # Another attempt finds everything trained; no weights are left on the disk.
    context = JobContext(job)
    assert not list(context.folder.rglob("*.safetensors"))
    assert fine_tunes.accuracy_in(context.folder / "mix-0-seed-0") == full[0]
    assert Job.objects.filter(kind=CHILD).count() == 4
    Job.objects.filter(pk=job.pk).update(
        state="running", lease_until=timezone.now() + timedelta(hours=1), finished_at=None
    )
    assert run_full_proxies(context)["mixes"] == job.result["mixes"]
    assert Job.objects.filter(kind=CHILD).count() == 4


def test_a_judge_of_another_project_is_refused(judge: Judge) -> None:
    with pytest.raises(InvalidInput, match="judge of this project"):
        compare_proxies(project=make_project(), judge=judge)


def test_a_folder_outside_the_allowed_models_is_refused(judge: Judge) -> None:
    size = Size(mixes=4, seeds=1, train=12, evaluate=8, steps=2)
    job = compare_proxies(project=judge.project, judge=judge, size=size, options={"base": "/etc"})

    job = run_queued(job)

    assert job.state == "failed"
    assert "MODEL_ROOTS" in job.error
