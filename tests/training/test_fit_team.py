"""Two processes under `accelerate launch` train what one process trains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from training.fit.team import Team

from .command import PIPE_BYTES, ROOT, configure, fit_values, run, write_data

pytestmark = pytest.mark.slow  # several processes that load torch

LAUNCH = [
    *(sys.executable, "-m", "accelerate.commands.launch"),
    *("--multi_gpu", "--num_machines", "1", "--num_processes", "2", "--main_process_port", "0"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1"),
    *("-m", "training", "fit"),
]


def launched(workdir: Path) -> subprocess.Popen[str]:
    """Two processes that train together on the CPU."""
    return subprocess.Popen(
        [*LAUNCH, str(workdir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        pipesize=PIPE_BYTES,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def together(workdir: Path) -> list[dict[str, Any]]:
    """Events of a run of two processes."""
    out, err = launched(workdir).communicate(timeout=300)
    events = [json.loads(line) for line in out.splitlines()]
    assert events, err[-3000:]
    assert events[-1]["event"] == "result", (events[-1], err[-3000:])
    return events


def history(workdir: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((workdir / "history.json").read_text())
    return found


def assert_same(one: Path, two: Path) -> None:
    """The loss of every step and every weight to 1e-5; other figures to four digits as well."""
    assert len(history(one)) == len(history(two))
    for left, right in zip(history(one), history(two), strict=True):
        assert left.keys() == right.keys()
        for name in left.keys() - {"phase"}:
            share = 0.0 if name.endswith("loss") else 1e-4
            assert left[name] == pytest.approx(right[name], abs=1e-5, rel=share), (left, right)
    first, second = (load_file(path / "model" / "model.safetensors") for path in (one, two))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], atol=1e-5, rtol=0), name


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        # Three micro-batches for two processes, dropout, and a last step with a single one.
        ("reward", {"accumulate": 3, "token_budget": 60, "dropout": 0.1, "steps": None}),
        ("policy", {"accumulate": 2, "token_budget": 120, "sft_warmup_steps": 3}),
    ],
)
def test_two_processes_train_what_one_does(
    tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    data = write_data(tmp_path / "data", train=23)
    # One AdamW step divides by the gradient's own size, which at 1e-8 is rounding.
    settings = {
        "optimiser": {"eps": 1e-4},
        "device": "cpu",
        "sample_prompts": 1,
        "learning_rate": 1e-3,
    }
    values = fit_values(data, kind, **(settings | options))
    one, two = (configure(tmp_path / name, values) for name in ("one", "two"))
    alone = run("fit", one)
    events = together(two)
    assert_same(one, two)
    steps = [e["step"] for e in events if e["event"] == "metric" and "loss" in e["values"]]
    assert steps == list(range(1, len(alone.losses()) + 1))  # one process speaks
    assert events[-1]["values"]["surroundings"]["processes"] == 2
    brier = events[-1]["values"]["eval"]["brier"]
    assert brier == pytest.approx(alone.values["eval"]["brier"], abs=1e-4)


def test_two_processes_stop_together_and_one_goes_on(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    settings: dict[str, Any] = {"optimiser": {"eps": 1e-4}, "device": "cpu"}
    settings |= {"steps": 120, "accumulate": 2}
    values = fit_values(data, **settings)
    two = configure(tmp_path / "two", values)
    process = launched(two)
    assert process.stdout is not None
    for line in process.stdout:
        if '"loss"' in line:
            process.send_signal(signal.SIGTERM)
            break
    events = [json.loads(line) for line in process.communicate(timeout=300)[0].splitlines()]
    assert events[-1]["event"] == "stopped", events[-3:]
    assert (two / "checkpoints" / f"step-{events[-1]['step']}").is_dir()
    one = configure(tmp_path / "one", values)
    assert run("fit", one).code == 0
    assert run("fit", two).code == 0
    assert_same(one, two)


def test_shares_are_disjoint_and_complete() -> None:
    teams = [Team(torch.device("cpu"), rank, 3) for rank in range(3)]
    shares = [team.share(range(4)) for team in teams]
    assert [list(share) for share in shares] == [[0, 3], [1], [2]]
