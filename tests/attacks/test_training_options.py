"""Options of runs, schedules and gates as a hostile or clumsy person writes them."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts.models import Project, Role
from annotation.datasets.models import Snapshot
from core.exceptions import ApplicationError, InvalidInput
from jobs.models import Job
from tests.factories import make_member, make_project
from tests.training.small import OPTIONS, make_snapshot
from training.registry import evaluations, gating
from training.registry.models import Gate
from training.runs import memory
from training.runs.config import fit_config
from training.runs.folders import allowed_folder
from training.runs.models import Run, Schedule
from training.runs.services import start_run

pytestmark = pytest.mark.django_db
HUGE = 10**400
NUMBERS = ("learning_rate", "warmup", "epochs", "weight_decay", "max_grad_norm", "dropout", "decay")
WHOLE = ("steps", "seed", "token_budget", "processes", "max_length", "sample_tokens", "accumulate")
NESTED: Any = json.loads('{"a":' * 200 + "1" + "}" * 200)


@pytest.fixture(autouse=True)
def _folders(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "artifacts"
    settings.MODEL_ROOTS = [tmp_path / "models"]


@pytest.fixture
def snapshot(_folders: None) -> Snapshot:
    return make_snapshot(make_project())


def refused(snapshot: Snapshot, options: dict[str, Any], kind: str = "reward") -> str:
    """The message; nothing may be written, and no other error may come."""
    with pytest.raises(InvalidInput) as refusal:
        start_run(project=snapshot.project, kind=kind, snapshot=snapshot, options=OPTIONS | options)
    assert not Run.objects.exists()
    assert not Job.objects.exists()
    assert len(refusal.value.message) < 3000
    return refusal.value.message


def test_numbers_that_are_none_are_refused(snapshot: Snapshot) -> None:
    for name in NUMBERS:
        for value in (float("inf"), float("nan"), HUGE, -HUGE, True, "1", [1], {"a": 1}):
            assert f"`{name}`" in refused(snapshot, {name: value})
    for name in WHOLE:
        for value in (HUGE, -1, 1.5, True, "1", float("inf"), [], {}):
            assert name in refused(snapshot, {name: value})
    for option in ("margin", "temperature", "label_smoothing"):
        for value in (HUGE, float("nan"), -float("inf"), True, "x"):
            refused(snapshot, {"preset_options": {option: value}})
    for name in ("weight_cap", "hardest"):
        for value in (HUGE, float("nan"), "x", [1]):
            filters = {"filters": {name: value}} if name == "hardest" else {name: value}
            refused(snapshot, filters)
    refused(snapshot, {"filters": {"agreement": [-HUGE, HUGE]}})


def test_fields_of_other_shapes_are_refused(snapshot: Snapshot) -> None:
    for name in ("notes", "data", "reference_cache", "threads", "kind", "output", "x" * 10_000):
        for value in ("x", NESTED, {"path": "/etc"}):
            refused(snapshot, {name: value})
    for name in ("base", "tokenizer", "lora", "head", "optimiser", "preset_options", "reference"):
        for value in ("x" * 100_000, [NESTED], NESTED, 7, True, {"path": {"a": "b"}}):
            refused(snapshot, {name: value})
    presets: list[Any] = [None, 7, [], {}, "x" * 100_000, "dpo"]
    for preset in presets:
        refused(snapshot, {"preset": preset})


@pytest.mark.parametrize(
    "path",
    ["../outside", "/etc", "/", ".", "", "link", "a\0b", "x" * 5000, "\ud800", "sub/../../outside"],
)
def test_no_path_leaves_the_model_roots(
    snapshot: Snapshot, settings: Settings, tmp_path: Path, path: str
) -> None:
    """A link in the folder of models leads out as little as dots do."""
    [root] = settings.MODEL_ROOTS
    root.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (outside / name).write_text("{}")
    (root / "link").symlink_to(outside)
    for options in (
        {"base": {"path": path}},
        {"tokenizer": {"path": path}},
        {"preset": "dpo", "reference": [{"path": path}]},
    ):
        kind = "policy" if "reference" in options else "reward"
        if path == "" and "reference" not in options and "tokenizer" not in options:
            continue
        assert "no folder" in refused(snapshot, options, kind)
    with pytest.raises(InvalidInput):
        allowed_folder(path, holds="config.json")
    with pytest.raises(InvalidInput):
        evaluations.benchmark_path({"path": path})
    for file in (path, f"benchmarks/../{path}", f"benchmarks/{path}/data.json"):
        with pytest.raises((InvalidInput, ApplicationError)):
            evaluations.benchmark_path({"file": file})


def test_a_hub_model_needs_a_commit_and_the_operators_leave(snapshot: Snapshot) -> None:
    for hub in ({"hub": "a/b"}, {"hub": "a/b", "revision": "main"}, {"hub": "../x", "revision": 7}):
        assert "base" in refused(snapshot, {"base": hub})
    both = {"hub": "a/b", "revision": "0" * 40, "scratch": {}}
    assert "exactly one" in refused(snapshot, {"base": both})


def test_processes_without_number_are_refused_before_anything_counts_them(
    snapshot: Snapshot,
) -> None:
    assert "at most 64" in refused(snapshot, {"processes": 2_000_000_000})
    config = fit_config("reward", snapshot, OPTIONS | {"processes": 64, "token_budget": 2**30})
    assert not memory.preview_of(config).fits


def save_folder(root: Path, *, weights: bytes, settings: str) -> None:
    folder = root / "broken"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(settings)
    (folder / "model.safetensors").write_bytes(weights)


def header(value: Any) -> bytes:
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text


GOOD = header({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}) + b"\0" * 16


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        (b"", "{}"),
        (struct.pack("<Q", 2**63), "{}"),
        (struct.pack("<Q", 4) + b"nope", "{}"),
        (header([1, 2]), "{}"),
        (header({"a": 7}), "{}"),
        (header({"a": {"shape": "ab"}}), "{}"),
        (header({"a": {"shape": [{}]}}), "{}"),
        (GOOD, ""),
        (GOOD, "[1]"),
        (GOOD, '{"text_config": 7}'),
        (GOOD, "[" * 100_000),
    ],
)
def test_an_estimate_over_a_damaged_folder_is_a_message(
    client: Client, snapshot: Snapshot, settings: Settings, weights: bytes, text: str
) -> None:
    """The web process reads these headers; they may say that they are 8 exabytes long."""
    [root] = settings.MODEL_ROOTS
    save_folder(root, weights=weights, settings=text)
    client.force_login(make_member(snapshot.project, Role.RESEARCHER))
    form = {"kind": "reward", "preset": "bt", "start": "path:broken", "snapshot": str(snapshot.pk)}
    page = client.post(reverse("run-estimate", args=[snapshot.project.slug]), form)
    assert page.status_code == 200
    assert "damaged" in page.content.decode()
    body = {"kind": "reward", "snapshot": snapshot.pk, "options": {"base": {"path": "broken"}}}
    answer = client.post(api(snapshot.project, "runs/check"), body, content_type="application/json")
    assert answer.status_code == 422, answer.content


def test_a_size_of_other_types_is_no_size(snapshot: Snapshot, settings: Settings) -> None:
    [root] = settings.MODEL_ROOTS
    save_folder(root, weights=GOOD, settings='{"hidden_size": "wide", "num_hidden_layers": -4}')
    config = fit_config("reward", snapshot, OPTIONS | {"base": {"path": "broken"}})
    assert memory.size_of(config["base"]) == memory.Size(4, 0, 0)


# --- Over HTTP --------------------------------------------------------------------------------


def api(project: Project, path: str) -> str:
    return f"/api/v1/projects/{project.slug}/{path}"


BODIES = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b'{"kind": "reward"}',
    b'{"kind": "reward", "snapshot": SNAP, "options": {"learning_rate": 1e999}}',
    b'{"kind": "reward", "snapshot": SNAP, "options": {"learning_rate": NaN}}',
    b'{"kind": "reward", "snapshot": SNAP, "options": {"preset": "\\ud800"}}',
    b'{"kind": "reward", "snapshot": SNAP, "options": {"preset": "a\\u0000"}}',
    b'{"kind": "reward", "snapshot": SNAP, "options": {"seed": 1' + b"0" * 4000 + b"}}",
    b'{"kind": "reward", "snapshot": SNAP, "options": {"seed": 1' + b"0" * 9000 + b"}}",
    b'{"kind": "reward", "snapshot": SNAP, "options": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    b'{"kind": "reward", "snapshot": SNAP, "options": ' + b"[" * 200_000 + b"}",
    b'{"kind": "reward", "snapshot": 1' + b"0" * 30 + b', "options": {}}',
    b'{"kind": "reward", "snapshot": SNAP, "name": "a\\u0000b"}',
    b'{"kind": "reward", "snapshot": SNAP, "name": ["a"]}',
    b"\xff\xfe\x00",
]


def test_bodies_that_are_none_are_refused(client: Client, snapshot: Snapshot) -> None:
    project = snapshot.project
    client.force_login(make_member(project, Role.ADMIN))
    for raw in BODIES:
        body = raw.replace(b"SNAP", str(snapshot.pk).encode())
        for path in ("runs/", "runs/check"):
            answer = client.post(api(project, path), body, content_type="application/json")
            assert answer.status_code in {400, 422}, (raw[:90], answer.content[:200])
        for path in ("schedules/reward/", "gates/reward/"):
            answer = client.put(api(project, path), body, content_type="application/json")
            assert answer.status_code in {400, 422}, (raw[:90], answer.content[:200])
    assert not Run.objects.exists()
    assert not Schedule.objects.exists()
    assert not Gate.objects.exists()


def test_thresholds_that_are_none_are_refused() -> None:
    project = make_project()
    for name in ("minimum_accuracy", "maximum_kl", "minimum_prompts", "tolerance"):
        for value in (float("inf"), float("nan"), -1, HUGE, "1", True, [0.5], {"a": 1}):
            with pytest.raises(InvalidInput):
                gating.set_gate(
                    project=project, kind="reward", thresholds={name: value}, actor=None
                )
    wrong: list[Any] = [7, "x", [], {"llmbar": HUGE}, {"llmbar": None, "x": 0.5}, {"llmbar": "a"}]
    for benchmarks in wrong:
        with pytest.raises(InvalidInput):
            gating.set_gate(
                project=project, kind="reward", thresholds={"benchmarks": benchmarks}, actor=None
            )
    assert not Gate.objects.exists()


def test_a_form_of_a_run_takes_no_nonsense(client: Client, snapshot: Snapshot) -> None:
    client.force_login(make_member(snapshot.project, Role.RESEARCHER))
    url = reverse("run-start", args=[snapshot.project.slug])
    good = {"kind": "reward", "preset": "bt", "start": "scratch", "snapshot": str(snapshot.pk)}
    for wrong in (
        {"learning_rate": "inf"},
        {"learning_rate": "1e999"},
        {"learning_rate": "-1"},
        {"processes": "999999999"},
        {"token_budget": "٣"},
        {"start": "path:../../etc"},
        {"start": "path:" + "x" * 9000},
        {"start": "version:" + "9" * 40},
        {"start": "version:-1"},
        {"snapshot": "9" * 18},
        {"snapshot": "x"},
        {"preset": "<script>"},
        {"option.noise": "a=b=c"},
        {"option.noise": "=1"},
    ):
        page = client.post(url, good | wrong)
        assert page.status_code in {404, 422}, wrong
        assert "<script>" not in page.content.decode().split("<main", 1)[-1]
    assert not Run.objects.exists()
