"""Online rounds with real, tiny models: answer, choose, label, train, measure."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pytest_django.fixtures import Settings

from accounts.models import Project
from annotation.instances.lines import Line
from annotation.instances.models import Completion, Instance
from annotation.instances.services import import_records
from annotation.judges.models import Judge
from annotation.labels.models import Annotation
from annotation.queue.models import Slot, SlotState
from core.exceptions import InvalidInput
from jobs.context import JobContext
from jobs.runner import run_queued
from routing.online import candidates, stages
from routing.online.work import Work
from routing.rounds import services
from routing.rounds.models import Round
from routing.rounds.selectors import stages_of, waiting_for
from tests.factories import make_annotator, make_project
from tests.routing.live_scene import label_everything, same_draws
from tests.training.small import OPTIONS, make_snapshot
from tests.training.tiny import causal_model
from training.fit.models.tokenizer import train_tokenizer
from training.registry.models import ModelVersion
from training.runs.models import Run, RunKind

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SMALL = {name: OPTIONS[name] for name in ("token_budget", "learning_rate", "steps")}
# Of the reward model: no label or choice may read raw rewards.
SCALE = {"offset": 1.5, "factor": 20.0}
ASKED: dict[str, Any] = {
    "prompts": 6,
    "candidates": 3,
    "max_new_tokens": 8,
    "training": SMALL | {"sample_prompts": 0},
    "reward_training": SMALL,
}


@pytest.fixture
def project(settings: Settings, tmp_path: Path) -> Project:
    """Prompts to ask, a policy and a reward model of random weights."""
    settings.VAR_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "artifacts"
    settings.JOBS_INLINE = True
    project = same_draws(make_project())
    lines = [
        Line(
            number,
            {
                "id": f"q{number}",
                "prompt": f"Question {number}?",
                "responses": [{"text": "clear exact"}, {"text": f"vague {number}"}],
            },
        )
        for number in range(1, 25)
    ]
    import_records(project=project, lines=lines, reveal=False)
    snapshot = make_snapshot(project)
    tokenizer = train_tokenizer(["Question? clear exact vague wrong"] * 4, 300)
    for kind in (RunKind.REWARD, RunKind.POLICY):
        run = Run.objects.create(
            project=project, kind=kind, snapshot=snapshot, config={"max_length": 64}
        )
        folder = f"runs/{run.pk}/model"
        model = causal_model("llama", kind)
        model.resize_token_embeddings(len(tokenizer))
        model.config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(tmp_path / "artifacts" / folder)
        tokenizer.save_pretrained(tmp_path / "artifacts" / folder)
        ModelVersion.objects.create(
            project=project,
            run=run,
            kind=kind,
            version=1,
            base_model="random",
            folder=folder,
            scale=SCALE if kind == RunKind.REWARD else {},
        )
    return project


def start(project: Project, **options: Any) -> Round:
    row = services.start_round(project=project, options=ASKED | options, kind="online")
    return go_on(row)


def go_on(row: Round) -> Round:
    assert row.job is not None
    job = run_queued(row.job)
    assert job.state == "succeeded", job.error
    row.refresh_from_db()
    return row


def test_own_pairs_scored_by_the_reward_model_make_the_next_policy(
    project: Project, tmp_path: Path
) -> None:
    row = start(project, preset="self-generated")
    assert [stage.state for stage in stages_of(row)] == ["done"] * len(stages_of(row))
    shown = Instance.objects.filter(project=project, metadata__round=row.number)
    assert shown.count() == row.stages["select"]["instances"] > 0
    first, second = ModelVersion.objects.filter(project=project, kind="policy").order_by("version")
    for completion in Completion.objects.filter(instance__in=shown):
        assert completion.generator == "policy v1"
        assert completion.checkpoint == first.folder
        assert completion.sampling["round"] == row.number
    assert second.run.config["base"]["path"].endswith(first.folder)
    assert row.summary["policy_before"] == first.pk
    assert row.summary["policy_version"] == second.pk
    assert 0 <= row.summary["win_rate_low"] <= row.summary["win_rate_high"] <= 1
    asked = set(row.stages["prepare"]["asked"])
    assert not asked & set(row.stages["prepare"]["measured_on"])
    _shows_extremes_and_prefers_the_best(row, tmp_path / "artifacts" / "rounds")
    _asks_others_next(row, asked, second)


def _shows_extremes_and_prefers_the_best(row: Round, folder: Path) -> None:
    stored = candidates.read(folder / str(row.pk) / "candidates.parquet")
    rewards = {
        each.prompt_hash: dict(zip(each.texts, each.rewards or (), strict=True)) for each in stored
    }
    [scores] = folder.parent.parent.glob("jobs/*/score/scores.parquet")
    raw = pq.read_table(scores)["rewards"].to_pylist()
    for values, each in zip(raw, stored, strict=True):
        assert each.rewards == pytest.approx([(value - 1.5) * 20 for value in values])
    shown = Instance.objects.filter(project=row.project, metadata__round=row.number)
    for instance in shown.prefetch_related("completions"):
        known = rewards[instance.prompt_hash]
        kept = [known[completion.text] for completion in instance.completions.all()]
        assert (max(kept), min(kept)) == (max(known.values()), min(known.values()))
        label = Annotation.objects.get(instance=instance)
        assert kept[label.ranking.index(1)] == max(kept)
    assert Judge.objects.get(project=row.project, provider="reward-model").model == "v1"


def _asks_others_next(row: Round, asked: set[str], policy: ModelVersion) -> None:
    """The next round begins with the new policy and prompts that no round has asked."""
    following = services.start_round(project=row.project, options=row.options, kind="online")
    assert following.job is not None
    outcome = stages.prepare(Work(JobContext(following.job), following))
    assert outcome["policy_version"] == policy.pk
    assert not set(outcome["asked"]) & asked


def test_people_compare_what_the_policy_wrote_and_the_round_waits_for_them(
    project: Project,
) -> None:
    row = start(project, preset="people", prompts=4)
    open_slots = Slot.objects.filter(project=project, state=SlotState.OPEN).count()
    assert waiting_for(row) == open_slots > 0
    assert services.continue_settled() == 0
    make_annotator(project, qualifications=[])
    assert label_everything(project) == open_slots
    assert services.continue_settled() == 1
    row.refresh_from_db()
    go_on(row)
    assert row.summary["policy_version"]
    assert (
        Annotation.objects.filter(project=project, annotator__kind="person").count() == open_slots
    )


def test_a_round_continues_where_it_was_stopped(project: Project) -> None:
    asked = ASKED | {"preset": "best-of-n", "labels": "judge", "judge": "nobody"}
    row = services.start_round(project=project, options=asked, kind="online")
    assert row.job is not None
    assert "There is no judge 'nobody' in use" in run_queued(row.job).error
    row.refresh_from_db()
    made = Instance.objects.filter(project=project, metadata__round=row.number).count()
    assert made
    row.options = row.options | {"labels": "", "judge": ""}
    row.save()
    go_on(services.continue_round(row=row))
    assert Instance.objects.filter(metadata__round=row.number).count() == made
    assert row.policy_run is not None
    assert row.policy_run.config["preset"] == "sft"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preset": "magic"}, "preset"),
        ({"candidates": 1}, "candidates"),
        ({"show": 5, "candidates": 3}, "show"),
        ({"temperature": 0.0}, "temperature"),
        ({"prompts": "many"}, "prompts"),
        ({"prompts": True}, "prompts"),
        ({"labels": "nobody"}, "labels"),
        ({"reward": "", "preset": "self-generated"}, "reward"),
        ({"base_url": "https://example.org/v1"}, "model"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_options_are_refused_and_nothing_is_written(options: dict[str, Any], said: str) -> None:
    project = make_project()
    with pytest.raises(InvalidInput, match=said):
        services.start_round(project=project, options=options, kind="online")
    assert not Round.objects.exists()


def test_without_a_policy_the_round_says_what_is_missing(
    settings: Settings, tmp_path: Path
) -> None:
    settings.VAR_DIR = settings.MEDIA_ROOT = tmp_path
    project = make_project()
    row = services.start_round(project=project, options={}, kind="online")
    assert row.job is not None
    job = run_queued(row.job)
    assert job.state == "failed"
    assert "no policy yet" in job.error
