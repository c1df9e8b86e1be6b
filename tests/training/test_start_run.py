"""Starting a run: what is written, and what is refused before anything is."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from audit.models import Event
from core.exceptions import Conflict, InvalidInput
from jobs.models import Job
from tests.factories import make_project, make_user
from tests.training.small import OPTIONS, make_snapshot
from training.fit.config import fit_config as read_config
from training.runs import config, folders, services
from training.runs.models import Run

pytestmark = pytest.mark.django_db


def start(**fields: Any) -> Run:
    project = fields.pop("project", None) or make_project()
    values = {"kind": "reward", "snapshot": None, "options": OPTIONS} | fields
    values["snapshot"] = values["snapshot"] or make_snapshot(project)
    return services.start_run(project=project, **values)


def test_a_run_has_a_complete_configuration_a_folder_and_a_queued_job() -> None:
    actor = make_user()
    run = start(created_by=actor, name=" First ")
    job = run.job
    assert job is not None
    assert (job.kind, job.queue, job.state) == ("training.fit", "gpu", "queued")
    assert (run.name, run.folder, job.arguments) == ("First", f"runs/{run.pk}", {"run": run.pk})
    fit = read_config(json.loads(json.dumps(run.config)))
    assert (fit.preset, fit.steps, fit.threads) == ("bt", 6, 1)
    assert fit.tokenizer.train_on_data
    assert Path(fit.data.train).is_file()
    assert fit.notes["snapshot"] == run.snapshot.content_hash
    event = Event.objects.get(action="run started")
    assert (event.actor, event.target) == (actor, f"run {run.pk}")


def test_a_policy_from_random_weights_learns_the_language_first() -> None:
    run = start(kind="policy", options={})
    assert run.config["preset"] == "dpo"
    assert run.config["sft_warmup_steps"] == config.SCRATCH_WARMUP_STEPS
    chosen = start(kind="policy", options={"sft_warmup_steps": 0})
    assert chosen.config["sft_warmup_steps"] == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "judge"}, "reward or policy"),
        ({"options": {"preset": "dpo"}}, "no reward preset"),
        ({"options": {"stepz": 3}}, "`stepz` is not a setting"),
        ({"options": {"steps": "many"}}, "`steps` is 'many'"),
        ({"options": {"steps": 10**20}}, "Set it to at most 2147483647"),
        ({"options": {"reference_cache": "/tmp"}}, "leave it out"),
        ({"options": {"base": {"path": "absent"}}}, "MODEL_ROOTS"),
        ({"options": {"base": "absent"}}, "must be an object"),
        ({"options": {"base": {"version": 77}}}, "no model version 77"),
        ({"options": {"tokenizer": {"path": "../.."}}}, "MODEL_ROOTS"),
    ],
)
def test_a_wrong_option_is_refused_and_nothing_is_written(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        start(**fields)
    assert not Run.objects.exists()
    assert not Job.objects.exists()
    assert not Event.objects.filter(action="run started").exists()


def test_a_folder_outside_the_allowed_ones_is_refused_also_through_a_link(
    settings: Settings, tmp_path: Path
) -> None:
    secret = tmp_path / "elsewhere"
    for folder in (secret, settings.MODEL_ROOTS[0] / "base"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (settings.MODEL_ROOTS[0] / "link").symlink_to(secret)
    for path in ("link", "../elsewhere", str(secret)):
        with pytest.raises(InvalidInput, match="MODEL_ROOTS"):
            folders.allowed_folder(path, holds="config.json")
    inside = settings.MODEL_ROOTS[0] / "base"
    assert folders.allowed_folder("base", holds="config.json") == inside
    assert folders.allowed_folder(str(inside), holds="config.json") == inside


def test_a_snapshot_of_another_project_or_without_files_is_refused() -> None:
    foreign = make_snapshot(make_project())
    with pytest.raises(InvalidInput, match="another project"):
        start(snapshot=foreign)
    Path(config.data_of(foreign)["train"] or "").unlink()
    with pytest.raises(InvalidInput, match="build the snapshot again"):
        start(project=foreign.project, snapshot=foreign)


def test_two_active_runs_with_one_key_cannot_exist() -> None:
    first = start(unique_key="retrain")
    with pytest.raises(Conflict):
        start(project=first.project, snapshot=first.snapshot, unique_key="retrain")
    assert Run.objects.count() == 1
