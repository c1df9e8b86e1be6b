"""Runs started from the form, their pages, comparison, registry, schedules and online rounds."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import Project, Role
from jobs.runner import run as run_job
from routing.online.options import OnlineOptions
from routing.rounds.models import Round
from tests.factories import make_member, make_project
from tests.training.small import make_snapshot
from training.registry.models import Gate, ModelVersion
from training.runs.models import Run, Schedule
from training.runs.services import start_run

pytestmark = pytest.mark.django_db
SMALL = {
    "scratch.hidden_size": "32",
    "scratch.layers": "1",
    "scratch.heads": "2",
    "scratch.vocab_size": "320",
    "max_length": "64",
    "token_budget": "256",
    "learning_rate": "0.003",
    "eval_every": "2",
}


@pytest.fixture(autouse=True)
def _folders(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    settings.MODEL_ROOTS = [tmp_path / "models"]
    settings.TRAINING_THREADS = 1


@pytest.fixture
def project() -> Project:
    return make_project("lab")


@pytest.fixture
def client(project: Project) -> Client:
    found = Client()
    found.force_login(make_member(project, Role.ADMIN))
    return found


def url(route: str, project: Project, *ids: Any) -> str:
    return reverse(route, args=[project.slug, *ids])


def form(project: Project, **values: str) -> dict[str, str]:
    known = project.snapshots.first() or make_snapshot(project)
    sent = {"kind": "reward", "snapshot": str(known.pk), "start": "scratch", "preset": "bt"}
    return sent | SMALL | values


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_a_form_starts_a_run_with_what_was_entered(client: Client, project: Project) -> None:
    sent = form(project, name="first", epochs="2") | {
        "option.smoothing": "0.1",
        "lora.r": "",
        "filters.agreement.low": "0,6",
        "head.kind": "ensemble",
    }
    response = client.post(url("run-start", project), sent)
    run = Run.objects.get()
    assert response["Location"] == url("run", project, run.pk)
    assert (run.name, run.config["epochs"], run.config["max_length"]) == ("first", 2.0, 64)
    assert run.config["preset_options"] == {"smoothing": 0.1}
    assert run.config["base"]["scratch"]["hidden_size"] == 32
    assert run.config["head"]["kind"] == "ensemble"
    assert run.config["lora"] is None
    assert run.config["notes"]["data_options"] == {"filters": {"agreement": [0.6, None]}}


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("epochs", "many", "Give a number."),
        ("max_length", "-4", "Give a whole number."),
        ("option.smoothing", "0.7", "smoothing"),
        ("learning_rate", "-1", "learning_rate"),
        ("preset", "dpo", "Choose an objective of the list."),
        ("snapshot", "0", "no such snapshot"),
        ("start", "version:999999", "no model version"),
        ("start", "path:../../etc", "MODEL_ROOTS"),
    ],
)
def test_a_refusal_keeps_what_was_entered_and_starts_nothing(
    client: Client, project: Project, field: str, value: str, words: str
) -> None:
    response = client.post(url("run-start", project), form(project, name="kept") | {field: value})
    assert response.status_code == 422
    assert words in text_of(response)
    assert 'value="kept"' in text_of(response)
    assert not Run.objects.exists()


def test_the_estimate_counts_what_the_filters_leave(client: Client, project: Project) -> None:
    sent = form(project) | {"filters.sources": "human"}
    fragment = client.post(url("run-estimate", project), sent, headers={"HX-Request": "true"})
    assert "40 rows" in text_of(fragment)
    assert "What the filters leave" in text_of(fragment)
    assert "<html" not in text_of(fragment)
    page = client.post(url("run-estimate", project), sent)
    assert "40 rows" in text_of(page)
    assert "<html" in text_of(page)
    assert not Run.objects.exists()


def test_another_objective_brings_its_own_options(client: Client, project: Project) -> None:
    response = client.post(
        url("run-estimate", project),
        form(project, kind="policy", preset="simpo"),
        headers={"HX-Request": "true", "HX-Target": "objective"},
    )
    assert "Options of simpo" in text_of(response)
    assert 'name="option.gamma"' in text_of(response)


def test_again_with_changes_fills_the_form(client: Client, project: Project) -> None:
    client.post(
        url("run-start", project),
        form(project, preset="bt_margin", epochs="3") | {"filters.difficulty.high": "2.5"},
    )
    run = Run.objects.get()
    page = text_of(client.get(url("run-new", project) + f"?like={run.pk}"))
    assert '<option value="bt_margin" selected>' in page
    for name, value in (("epochs", "3"), ("scratch.vocab_size", "320"), ("max_length", "64")):
        assert f'value="{value}"' in page.split(f'name="{name}"')[1].split(">")[0]
    assert 'value="2.5"' in page.split('name="filters.difficulty.high"')[1].split(">")[0]
    assert client.get(url("run-new", project) + "?like=999999").status_code == 404


def test_a_trained_run_its_model_and_a_comparison(client: Client, project: Project) -> None:
    for seed in ("1", "2"):
        client.post(url("run-start", project), form(project, seed=seed, steps="4"))
    for run in Run.objects.order_by("pk"):
        run_job(run.job_id or 0, owner="test", heartbeat=False)
    first, second = Run.objects.order_by("pk")
    page = text_of(client.get(url("run", project, first.pk)))
    for words in ("Calibration error", "Curves by step", "Where it is right", "Tokens a second"):
        assert words in page
    report = client.get(url("run-download", project, first.pk, "report"))
    assert report.json()["steps"] == 4
    assert client.get(url("run-download", project, first.pk, "weights")).status_code == 404
    address = url("runs-compare", project) + f"?run={first.pk}&run={second.pk}"
    compared = text_of(client.get(address))
    assert "<code>seed</code>" in compared
    assert "<code>max_length</code>" not in compared
    _stages(client, project, ModelVersion.objects.get(run=first))


def _stages(client: Client, project: Project, version: ModelVersion) -> None:
    """Through a gate that refuses: with a reason only."""
    client.post(url("model-gate", project) + "?kind=reward", {"minimum_prompts": "9999"})
    assert Gate.objects.get().thresholds["minimum_prompts"] == 9999
    stage = url("model-stage", project, version.pk)
    refused = client.post(stage, {"stage": "production"})
    assert refused.status_code == 409
    assert "at least 9999 is asked" in text_of(refused)
    version.refresh_from_db()
    assert version.stage == "candidate"
    client.post(stage, {"stage": "production", "reason": "a rehearsal"})
    version.refresh_from_db()
    assert version.stage == "production"
    page = text_of(client.get(url("model", project, version.pk)))
    assert "Reward model trained with the objective bt" in page
    assert "held-out prompts" in page.lower()


def test_a_gate_refuses_what_is_no_number(client: Client, project: Project) -> None:
    address = url("model-gate", project) + "?kind=policy"
    response = client.post(address, {"minimum_accuracy": "high", "maximum_kl": "3"})
    assert response.status_code == 422
    assert "Least accuracy" in text_of(response)
    assert not Gate.objects.exists()
    client.post(address, {"minimum_accuracy": "0.55", "maximum_kl": ""})
    assert Gate.objects.get(kind="policy").thresholds["maximum_kl"] is None


def test_a_schedule_is_set_changed_and_removed(client: Client, project: Project) -> None:
    sent = {
        "kind": "reward",
        "every_labels": "50",
        "continue_from": "last",
        "preset": "bt",
        "enabled": "on",
    }
    client.post(url("schedule-set", project), sent)
    row = Schedule.objects.get()
    assert (row.every_labels, row.every_hours, row.promote) == (50, None, False)
    assert row.config["options"] == {"continue_from": "last", "preset": "bt"}
    client.post(url("schedule-set", project), sent | {"every_hours": "24", "promote": "on"})
    row.refresh_from_db()
    assert (row.every_hours, row.promote) == (24, True)
    refused = client.post(url("schedule-set", project), sent | {"every_labels": ""})
    assert refused.status_code == 422
    row.refresh_from_db()
    assert row.every_labels == 50
    client.post(url("schedule-remove", project), {"kind": "reward"})
    assert not Schedule.objects.exists()


def test_an_online_round_starts_from_its_form(client: Client, project: Project) -> None:
    response = client.post(
        url("round-online", project),
        {"preset": "people", "prompts": "12", "reward": "", "temperature": "0.7"},
    )
    row = Round.objects.get()
    assert response["Location"] == url("round", project, row.number)
    assert (row.kind, row.options["prompts"], row.options["reward"]) == ("online", 12, "")
    assert row.options["temperature"] == 0.7
    page = text_of(client.get(url("round", project, row.number)))
    assert "Let the current policy answer" in page
    assert text_of(client.get(url("rounds", project) + "?like=1")).count("selected>") >= 1
    for route in ("project", "routing", "rounds"):
        assert client.get(url(route, project)).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"), [("candidates", "40"), ("temperature", "hot"), ("preset", "none")]
)
def test_an_online_round_that_cannot_be(
    client: Client, project: Project, field: str, value: str
) -> None:
    response = client.post(url("round-online", project), {field: value, "prompts": "77"})
    assert response.status_code == 422
    assert 'value="77"' in text_of(response)
    assert not Round.objects.exists()


def test_a_finished_online_round_shows_its_gain(client: Client, project: Project) -> None:
    run = start_run(project=project, kind="policy", snapshot=make_snapshot(project), options={})
    Round.objects.create(
        project=project,
        number=1,
        kind="online",
        options=OnlineOptions().as_dict(),
        policy_run=run,
        snapshot=run.snapshot,
        stages={"select": {"instances": 9}},
        summary={"win_rate_by_reward": 0.61, "win_rate_low": 0.5, "win_rate_high": 0.72},
    )
    page = text_of(client.get(url("round", project, 1)))
    assert "61.0 %" in page
    assert "?tag=round:1" in page
    assert "Next round" in page
