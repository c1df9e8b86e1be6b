"""Signals that models write back, from their real processes; trust, relabels and promotions."""

import math
from pathlib import Path
from shutil import rmtree
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from pytest_django.fixtures import Settings

from accounts.models import Project, Role
from annotation.consensus.models import Consensus
from annotation.instances.models import Completion, Instance, InstanceState, Signal
from annotation.projects.selectors import main_criterion
from annotation.quality.models import Relabel
from audit.models import Event
from core.exceptions import InvalidInput, NotFound
from jobs.context import JobContext
from jobs.exceptions import JobCancelled
from jobs.models import Job
from jobs.runner import run as run_job
from routing.features.project import feature_table
from tests.factories import make_instance, make_member, make_project
from tests.training.judges import make_reward_version, save_model
from tests.training.test_runs_api import client_of
from training.objectives.presets import PRESETS
from training.registry.models import ModelVersion
from training.registry.services import promote
from training.runs.artifacts import publish_model
from training.writeback import relabelling, selectors, services, values, work

pytestmark = pytest.mark.django_db

FILES = "django.core.files.storage.FileSystemStorage"


def version_in(project: Project, kind: str = "reward") -> ModelVersion:
    """A model that was trained on the prompt of the first instance."""
    media = Path(settings.MEDIA_ROOT)
    version = make_reward_version(project, media)
    if kind == "policy":
        save_model(media / version.folder, "policy")
        ModelVersion.objects.filter(pk=version.pk).update(kind="policy")
        version.refresh_from_db()
    run = version.run
    run.folder = f"runs/{run.pk}"
    run.config = {"preset": "bt" if kind == "reward" else "dpo"}
    run.save()
    data = media / run.folder / "data"
    data.mkdir(parents=True)
    first = Instance.objects.filter(project=project).order_by("pk").first()
    trained = [first.prompt_hash] if first else []
    pq.write_table(pa.table({"prompt_hash": trained}), data / "train.parquet")
    return version


def labelled(project: Project, count: int = 4, p: float = 0.9) -> list[Instance]:
    found = []
    for number in range(count):
        instance = make_instance(project, prompt=f"Question {number}")
        Consensus.objects.create(
            instance=instance,
            criterion=main_criterion(project),
            scope="mixed",
            method="majority",
            worth=[p, 1 - p],
            entropy=0.1,
            labels=1,
        )
        found.append(instance)
    return found


def work_off(job: Job) -> dict[str, Any]:
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.error == ""
    assert job.result is not None
    return dict(job.result)


def said(name: str) -> dict[int, float]:
    return dict(Signal.objects.filter(name=name).values_list("instance_id", "value"))


def test_a_reward_model_writes_margins_and_the_trust_of_labels_it_does_not_know() -> None:
    project = make_project()
    instances = labelled(project)
    Instance.objects.filter(pk=instances[3].pk).update(state=InstanceState.DROPPED)
    # One side of a joint comparison answers a prompt of its own.
    own = [{"role": "user", "content": "Something else?"}]
    Completion.objects.filter(instance=instances[2], position=1).update(messages=own)
    version = version_in(project)
    ModelVersion.objects.filter(pk=version.pk).update(scale={"offset": 3.0, "factor": 100.0})
    result = work_off(services.start_write_back(version=version, actor=None))
    assert result["instances"] == 3
    assert set(Signal.objects.values_list("version", flat=True)) == {"reward v1"}
    margins, trust = said("reward_margin"), said("label_trust")
    assert set(margins) == {each.pk for each in instances[:3]}
    # The model was trained on the first one's prompt.
    assert set(trust) == {each.pk for each in instances[1:3]}
    scores = Path(settings.VAR_DIR) / "jobs" / str(Job.objects.latest("pk").pk) / "score"
    for row in pq.read_table(scores / "scores.parquet").to_pylist():
        # In the units of the project's scale, whose zero is nothing to a margin.
        gap = abs(row["rewards"][0] - row["rewards"][1])
        assert margins[int(row["instance_id"])] == pytest.approx(100 * gap)
    for pk, value in trust.items():
        sure = values.sigmoid(margins[pk])
        assert any(
            value == pytest.approx(p * sure + (1 - p) * (1 - sure), abs=1e-6) for p in (0.9, 0.1)
        )
    assert not said("reward_variance")
    table = feature_table(project, [each.pk for each in instances]).table
    column = table.column("reward_margin")
    assert column is not None
    assert column[:3].tolist() == pytest.approx([margins[each.pk] for each in instances[:3]])
    assert math.isnan(column[3])


def test_only_what_is_new_or_newly_labelled_is_asked_again() -> None:
    project = make_project()
    instances = labelled(project, 2)
    version = version_in(project)
    assert work_off(services.start_write_back(version=version, actor=None))["instances"] == 2
    assert not selectors.waiting(version).exists()
    new = make_instance(project, prompt="Another")
    Consensus.objects.get(instance=instances[1]).save()
    assert set(selectors.waiting(version)) == {new, instances[1]}
    assert selectors.waiting(version, everything=True).count() == 3
    result = work_off(services.start_write_back(version=version, actor=None))
    assert result["instances"] == 2
    assert Signal.objects.filter(name="reward_margin").count() == 3


def test_a_cancelled_write_back_keeps_what_it_has_paid_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = make_project()
    labelled(project, 3)
    version = version_in(project)
    monkeypatch.setattr(work, "CHUNK", 2)
    job = services.start_write_back(version=version, actor=None)
    progress = JobContext.progress

    def cancelled(ctx: JobContext, done: int, total: int, note: str = "") -> None:
        progress(ctx, done, total, note)
        if note == "instances written":
            raise JobCancelled

    with monkeypatch.context() as patch:
        patch.setattr(JobContext, "progress", cancelled)
        run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert len(said("reward_margin")) == 2
    assert work_off(services.start_write_back(version=version, actor=None))["instances"] == 1


def test_a_policy_writes_entropy_margin_and_difficulty() -> None:
    project = make_project()
    instances = labelled(project, 2, p=0.1)
    version = version_in(project, "policy")
    warmed_up(version, preset="ipo", preset_options={})
    work_off(services.start_write_back(version=version, actor=None))
    entropy, margin, hard = said("policy_entropy"), said("implicit_margin"), said("difficulty")
    assert set(entropy) == set(margin) == set(hard) == {each.pk for each in instances}
    row = pq.read_table(
        Path(settings.VAR_DIR) / "jobs" / str(Job.objects.latest("pk").pk) / "logps/logps.parquet"
    ).to_pylist()[0]
    logp, reference = row["logp"], row["reference"]
    pk = int(row["instance_id"])
    assert entropy[pk] == pytest.approx(-sum(logp) / 2)
    expected = PRESETS["ipo"].beta * ((logp[0] - reference[0]) - (logp[1] - reference[1]))
    assert margin[pk] == pytest.approx(expected)
    # The label prefers the second.
    assert hard[pk] == pytest.approx(reference[0] - reference[1])


def warmed_up(version: ModelVersion, **config: Any) -> Path:
    """Give the policy's run a warm-up and what it leaves: the folder of its reference."""
    version.run.config |= {"sft_warmup_steps": 5} | config
    version.run.save()
    folder = Path(settings.MEDIA_ROOT) / version.run.folder / "reference"
    return save_model(folder, "policy", "qwen2")


def test_the_reference_of_a_warm_up_comes_from_the_machine_that_trained_or_not_at_all(
    settings: Settings, tmp_path: Path
) -> None:
    shared = {"BACKEND": FILES, "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = settings.STORAGES | {"artifacts": shared}
    project = make_project()
    labelled(project, 2)
    version = version_in(project, "policy")
    reference = warmed_up(version)
    weights = (reference / "model.safetensors").read_bytes()
    publish_model(version.run, Path(settings.MEDIA_ROOT) / version.run.folder)
    rmtree(reference)  # what another machine has
    work_off(services.start_write_back(version=version, actor=None, everything=True))
    assert (reference / "model.safetensors").read_bytes() == weights
    assert len(said("implicit_margin")) == 2

    rmtree(reference)
    rmtree(tmp_path / "shared")
    job = services.start_write_back(version=version, actor=None, everything=True)
    run_job(job.pk, owner="test", heartbeat=False)
    job.refresh_from_db()
    assert job.state == "failed"
    assert f"{version.run.folder}/reference" in job.error
    settings.STORAGES = settings.STORAGES | {
        "artifacts": shared | {"OPTIONS": {"location": str(settings.MEDIA_ROOT)}}
    }
    with pytest.raises(NotFound, match="copy"):
        selectors.reference_of(version)


def test_a_reference_that_a_run_names_is_found_and_a_missing_base_is_no_other() -> None:
    project = make_project()
    version = version_in(project, "policy")
    named = {"path": f"/elsewhere/artifacts/{version.folder}", "weight": 2}
    version.run.config |= {"reference": [{"path": "/elsewhere/x", "weight": 1}, named]}
    assert selectors.reference_of(version) == Path(settings.MEDIA_ROOT) / version.folder
    version.run.config = {"preset": "dpo", "base": {"path": "/elsewhere/gone"}}
    with pytest.raises(NotFound, match="gone"):
        selectors.reference_of(version)
    version.run.config = {"preset": "dpo", "base": {"scratch": {}}}
    assert selectors.reference_of(version) is None


def test_values_by_hand() -> None:
    assert values.reward_margin([1.0, 4.0, 2.5]) == 1.5
    assert values.reward_variance([1.0, 4.0, 2.5], [9.0, 0.5, 0.25]) == 0.75
    third = 1 / (1 + math.exp(-math.log(2)))
    assert values.label_trust([math.log(2), 0.0], [1.0, 0.0]) == pytest.approx(third)
    assert values.label_trust([math.log(2), 0.0], [0.5, 0.5]) == pytest.approx(0.5)
    assert values.label_trust([0.0, 0.0, 9.0], [1.0, 0.0, 1.0]) == pytest.approx(
        (0.5 + values.sigmoid(9.0)) / 2
    )
    assert values.label_trust([1.0, 1.0, 1.0], [0.5, 0.5, 0.5]) is None
    assert values.label_trust([1.0, 2.0], [1.0, 0.5, 0.0]) is None
    assert values.difficulty([-5.0, -2.0], [1.0, 0.0]) == 3.0
    assert values.difficulty([-5.0, -2.0], [0.5, 0.5]) is None


def test_what_is_trusted_least_goes_to_people_once_and_no_more_than_wanted() -> None:
    project = make_project()
    instances = labelled(project, 4)
    version = version_in(project)
    actor = make_member(project, Role.RESEARCHER)
    for number, instance in enumerate(instances):
        for name in ("label_trust", "reward_variance"):
            Signal.objects.create(
                instance=instance, name=name, version="reward v1", value=number / 10
            )
    by = "label_trust"
    assert relabelling.doubted(version, by, 2) == [each.pk for each in instances[:2]]
    first = relabelling.send(version=version, by=by, count=2, actor=actor)
    assert (first.opened, first.refused) == (2, {})
    second = relabelling.send(version=version, by=by, count=9, actor=actor)
    assert second.opened == 2
    assert relabelling.send(version=version, by=by, count=9, actor=actor).opened == 0
    assert set(Relabel.objects.values_list("report", "reason")) == {
        ("training", "its label is hard to believe for reward v1")
    }
    # All four wait for somebody already.
    assert relabelling.doubted(version, "reward_variance", 4) == []
    Relabel.objects.all().delete()
    assert relabelling.doubted(version, "reward_variance", 1) == [instances[3].pk]


def test_promotion_starts_a_write_back_where_the_project_wants_it() -> None:
    project = make_project()
    owner = make_member(project, Role.OWNER)
    labelled(project, 3)
    version = version_in(project)
    promote(version=version, stage="production", actor=owner, override_reason="a test")
    assert not Job.objects.filter(kind=selectors.KIND).exists()
    promote(version=version, stage="candidate", actor=owner)
    services.set_write_back(project=project, actor=owner, after_promotion=True, relabel=1)
    promote(version=version, stage="production", actor=owner, override_reason="a test")
    job = Job.objects.get(kind=selectors.KIND)
    result = work_off(job)
    assert (result["instances"], result["relabelled"]) == (3, 1)
    assert Relabel.objects.get().requested_by == owner
    assert Event.objects.filter(action="write-back set").count() == 1
    with pytest.raises(InvalidInput):
        services.set_write_back(project=project, actor=owner, after_promotion=True, relabel=9999)
    with pytest.raises(InvalidInput):
        services.set_write_back(
            project=project, actor=owner, after_promotion=True, relabel_by="luck"
        )


def test_a_write_back_is_started_and_set_over_http() -> None:
    project = make_project()
    labelled(project, 2)
    version = version_in(project)
    client = client_of(project)
    root = f"/api/v1/projects/{project.slug}"
    started = client.post(f"{root}/models/{version.pk}/write-back", {}, format="json")
    assert started.status_code == 202, started.json()
    job = Job.objects.get(pk=started.json()["id"])
    assert (job.kind, job.arguments["version"]) == (selectors.KIND, version.pk)
    again = client.post(f"{root}/models/{version.pk}/write-back", {}, format="json")
    assert again.status_code == 409
    wanted = {"after_promotion": True, "relabel": 7, "relabel_by": "reward_variance"}
    assert client.put(f"{root}/write-back", wanted, format="json").json() == wanted
    assert client.get(f"{root}/write-back").json() == wanted
    assert selectors.wishes_of(project).relabel == 7
    for wrong in ({"relabel": -1}, {"relabel": 10**30}, {"relabel_by": "luck"}, {"relabel": "x"}):
        refused = client.put(f"{root}/write-back", wanted | wrong, format="json")
        assert refused.status_code == 400, refused.json()
    assert client.get(f"{root}/write-back").json() == wanted
