"""Policies: best of n, and blind comparison with the reference."""

import math
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Role
from annotation.instances.models import Completion, Instance
from annotation.judges.models import JudgeCall
from annotation.labels.models import Annotation, Annotator
from annotation.labels.people import annotator_for
from annotation.projects.selectors import main_criterion
from annotation.queue.models import Slot
from core.exceptions import Forbidden, InvalidInput
from jobs.runner import run as run_job
from jobs.runner import run_queued
from tests.factories import make_member, make_project
from tests.training.judges import make_judge, make_reward_version, save_model
from tests.training.small import OPTIONS
from tests.training.test_runs_api import client_of
from tests.training.test_runs_fit import work
from training.registry import comparing, evaluations
from training.registry.models import Evaluation, ModelVersion
from training.registry.policies import by_n
from training.registry.services import register_model
from training.runs.services import start_run

from .test_registry import finished_runs

pytestmark = pytest.mark.django_db


def test_the_best_of_n_is_expected_over_all_draws() -> None:
    found = by_n([[3.0, 1.0, 2.0, 0.0], [4.0, 4.0, 4.0, 4.0]])
    assert list(found) == ["1", "2", "4"]
    assert found["1"]["reward"] == (1.5 + 4) / 2
    # Of six pairs the best is 3 three times, 2 twice and 1 once.
    assert found["2"]["reward"] == pytest.approx(((9 + 4 + 1) / 6 + 4) / 2)
    assert found["4"]["reward"] == 3.5
    assert (found["1"]["kl_bound"], found["4"]["kl_bound"]) == (0.0, math.log(4) - 0.75)


def policy(samples: list[dict[str, Any]]) -> ModelVersion:
    [run] = finished_runs(1)
    run.report = {"samples": samples}
    run.kind = "policy"
    run.save()
    version = register_model(run=run)
    assert version.kind == "policy"
    return version


SAMPLES = [
    {
        "prompt": f"Question {k}?",
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": f"Question {k}?"},
        ],
        "before": f"Old answer {k}.",
        "after": f"New answer {k}.",
    }
    for k in range(6)
]
SAME = {"prompt": "Same?", "before": "Alike.", "after": "Alike."}


def label(instance: Instance, annotator: Annotator, share: float) -> None:
    """A label that prefers the policy (1), the reference (0) or neither (1/2)."""
    place = Completion.objects.get(instance=instance, generator__startswith="policy").position
    ranking = [1, 1]
    if share != 0.5:
        ranking[place if share == 0 else 1 - place] = 2
    Annotation.objects.create(
        project=instance.project,
        instance=instance,
        annotator=annotator,
        criterion=main_criterion(instance.project),
        ranking=ranking,
        client_id=uuid.uuid4(),
        payload_hash="",
    )


def test_samples_become_blind_pairs_and_their_labels_a_win_rate() -> None:
    version = policy([*SAMPLES, SAME])
    owner = version.project.memberships.get().user
    row = comparing.samples_to_project(version=version, created_by=owner, labels_each=2)
    home = Instance.objects.filter(external_id__startswith="comparison-")
    assert (row.source["pairs"], row.source["identical"]) == (6, 1)
    project = home[0].project
    assert project != version.project
    assert project.memberships.get().user == owner
    assert home[0].messages == SAMPLES[0]["messages"]
    assert Slot.objects.filter(project=project).count() == 12
    first = {c.generator for c in Completion.objects.filter(instance__in=home, position=0)}
    assert first == {"policy 1", "reference 1"}
    people = [annotator_for(project=project, user=make_member(project)) for _ in range(2)]
    instances = list(home.order_by("pk"))
    for instance, share in zip(instances[:4], (1.0, 1.0, 0.0, 0.5), strict=True):
        label(instance, people[0], share)
    label(instances[0], people[1], 1.0)
    figures = comparing.read_win_rate(row)
    # Five labels and one tie of identical samples.
    assert figures["people"]["win_rate"] == pytest.approx((1 + 1 + 0 + 0.5 + 1 + 0.5) / 6)
    assert (figures["people"]["labels"], figures["people"]["prompts"]) == (5, 5)
    assert figures["people"]["warning"] == "few prompts"
    assert figures["win_rate"] == figures["people"]["win_rate"]
    row.refresh_from_db()
    assert row.figures["win_rate_interval"][0] < figures["win_rate"]
    version.refresh_from_db()
    assert version.gate["checks"]


def test_samples_can_go_into_a_project_of_ones_own_choice() -> None:
    version = policy(SAMPLES)
    owner = version.project.memberships.get().user
    stranger = make_member(version.project, Role.ANNOTATOR)
    elsewhere = make_project()
    with pytest.raises(Forbidden):
        comparing.samples_to_project(version=version, created_by=owner, project=elsewhere)
    with pytest.raises(Forbidden):
        comparing.samples_to_project(version=version, created_by=stranger, project=version.project)
    row = comparing.samples_to_project(
        version=version, created_by=owner, project=version.project, to_people=False
    )
    assert row.source["project"] == version.project.pk
    assert not Slot.objects.exists()
    assert comparing.read_win_rate(row) == {"judges": {}}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_judge_of_the_project_compares_in_both_orders(tmp_path: Path) -> None:
    save_model(tmp_path / "models/tiny")
    version = policy(SAMPLES)
    owner = version.project.memberships.get().user
    judge = make_judge(version.project, "local-model", "tiny")
    apart = comparing.samples_to_project(version=version, created_by=owner)
    with pytest.raises(InvalidInput, match="another project"):
        comparing.ask_judge(comparison=apart, judge=judge)
    row = comparing.samples_to_project(
        version=version, created_by=owner, project=version.project, to_people=False
    )
    run = comparing.ask_judge(comparison=row, judge=judge, by=owner)
    assert run.job is not None
    run_queued(run.job)
    assert JudgeCall.objects.filter(judge=judge).count() == 6 * 2
    figures = comparing.read_win_rate(row)
    [(name, said)] = figures["judges"].items()
    assert (name, said["labels"], said["prompts"]) == (judge.name, 6, 6)
    assert figures["win_rate"] == said["win_rate"]


def test_comparisons_are_started_and_read_over_rest() -> None:
    version = policy(SAMPLES)
    client = client_of(version.project, Role.OWNER)
    url = f"/api/v1/projects/{version.project.slug}/models/{version.pk}/comparisons/"
    made = client.post(url, {"labels_each": 2}, format="json")
    assert made.status_code == 201, made.json()
    assert made.json()["measured_on"]["pairs"] == 6
    read = client.post(f"{url}{made.json()['id']}/")
    assert read.json()["figures"] == {"judges": {}}
    assert client.post(f"{url}{made.json()['id'] + 1}/").status_code == 404
    elsewhere = {"project": make_project().slug}
    assert client.post(url, elsewhere, format="json").status_code == 404


def test_a_version_without_samples_has_nothing_to_compare() -> None:
    [run] = finished_runs(1)
    owner = run.project.memberships.get().user
    with pytest.raises(InvalidInput, match="Only policies"):
        comparing.samples_to_project(version=register_model(run=run), created_by=owner)
    with pytest.raises(InvalidInput, match="sample_prompts"):
        comparing.samples_to_project(version=policy([SAME]), created_by=owner)
    assert not Evaluation.objects.exists()


@pytest.mark.slow
def test_a_policy_is_reranked_by_a_reward_model() -> None:
    project = make_project()
    reward = make_reward_version(project, Path(settings.MEDIA_ROOT))
    options = OPTIONS | {"sft_warmup_steps": 2, "sample_prompts": 2, "sample_tokens": 6}
    policy_run = start_run(
        project=project, kind="policy", snapshot=reward.run.snapshot, options=options
    )
    job = work(policy_run)
    assert job.state == "succeeded", job.error
    version = ModelVersion.objects.get(run=policy_run)
    # A policy's probe ranks by likelihood; its rewards have no scale.
    assert 0 <= version.metrics["probe"]["ranking_accuracy"] <= 1
    assert version.scale == {}
    sample = policy_run.report["samples"][0]
    assert sample["messages"][-1]["content"] == sample["prompt"]
    row = evaluations.start_evaluation(
        version=version,
        name="best of n",
        source={"reward": reward.pk, "draws": 10, "prompts": 3},
        created_by=None,
    )
    assert row.job is not None
    run_job(row.job.pk, owner="test", heartbeat=False)
    row.refresh_from_db()
    rewards = [entry["reward"] for entry in row.figures["by_n"].values()]
    assert list(row.figures["by_n"]) == ["1", "2", "4", "8"]
    assert rewards == sorted(rewards)
    for wrong in ({"reward": version.pk}, {"reward": reward.pk, "draws": 1}):
        with pytest.raises(InvalidInput):
            evaluations.start_evaluation(
                version=version, name="best of n", source=wrong, created_by=None
            )
