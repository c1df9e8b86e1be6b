"""A run that is stopped or killed and started again equals the run that was left alone."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from training.errors import RefusalError
from training.fit import fit

from .command import Outcome, configure, fit_values, interrupt, run, write_data

pytestmark = pytest.mark.slow  # six processes that load torch

STEPS = 120


def weights(workdir: Path) -> bytes:
    return (workdir / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    data = write_data(tmp_path_factory.mktemp("data"))
    return fit_values(
        data,
        "policy",
        steps=STEPS,
        accumulate=2,
        sft_warmup_steps=20,
        checkpoint_every=10,
        eval_every=30,
        sample_prompts=1,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> tuple[Path, Outcome]:
    """The run that nobody stops."""
    workdir = configure(tmp_path_factory.mktemp("whole"), values)
    outcome = run("fit", workdir)
    assert outcome.code == 0
    return workdir, outcome


def assert_equal(resumed: Path, last: Outcome, whole: tuple[Path, Outcome]) -> None:
    assert last.code == 0
    assert weights(resumed) == weights(whole[0])
    expected = whole[1].losses()
    again = last.losses()
    assert again == {step: expected[step] for step in again}
    history = json.loads((resumed / "history.json").read_text())
    assert history == json.loads((whole[0] / "history.json").read_text())
    for name in ("samples", "kl_to_reference", "eval"):
        assert last.values[name] == whole[1].values[name]


def test_stopped_by_sigterm(
    tmp_path: Path, values: dict[str, Any], whole: tuple[Path, Outcome]
) -> None:
    workdir = configure(tmp_path / "run", values)
    stopped = interrupt(workdir, 43, signal.SIGTERM)
    assert stopped.code == 75
    assert stopped.last["event"] == "stopped"
    step = stopped.last["step"]
    assert 43 <= step < STEPS
    assert (workdir / "checkpoints" / f"step-{step}").is_dir()
    configure(workdir, values | {"learning_rate": 1e-3})
    with pytest.raises(RefusalError, match="another configuration"):
        fit.run(workdir)
    configure(workdir, values)
    last = run("fit", workdir)
    assert min(last.losses()) == step + 1
    assert_equal(workdir, last, whole)


def test_killed(tmp_path: Path, values: dict[str, Any], whole: tuple[Path, Outcome]) -> None:
    workdir = configure(tmp_path / "run", values)
    in_warmup = interrupt(workdir, 13, signal.SIGKILL)
    assert in_warmup.code == -signal.SIGKILL
    killed = interrupt(workdir, 55, signal.SIGKILL)
    assert killed.code == -signal.SIGKILL
    last = run("fit", workdir)
    assert min(last.losses()) > 50
    assert_equal(workdir, last, whole)
    assert len(list((workdir / "checkpoints").iterdir())) == 2


def test_finished_run_repeats_its_result(whole: tuple[Path, Outcome]) -> None:
    before = weights(whole[0])
    assert json.loads(json.dumps(fit.run(whole[0]))) == whole[1].values
    assert weights(whole[0]) == before
