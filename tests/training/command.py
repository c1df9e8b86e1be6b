"""Running `python -m training` in a process of its own, as the jobs do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .small import rows

ROOT = Path(__file__).parents[2]
# So small that a process is never many steps ahead of who reads its lines, and can be stopped.
PIPE_BYTES = 4096
BASE: dict[str, Any] = {"scratch": {"hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 320}}


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    events: list[dict[str, Any]]

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def values(self) -> dict[str, Any]:
        assert self.code == 0, self.events[-3:]
        found: dict[str, Any] = self.last["values"]
        return found

    def losses(self) -> dict[int, float]:
        """Loss by step."""
        metrics = [e for e in self.events if e["event"] == "metric" and "loss" in e["values"]]
        return {e["step"]: e["values"]["loss"] for e in metrics}


def write_data(folder: Path, *, train: int = 24, held_out: int = 12) -> dict[str, str]:
    """Parquet files of labelled pairs, and the `data` of a configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows(train)), folder / "train.parquet")
    pq.write_table(pa.table(rows(held_out, start=1000)), folder / "eval.parquet")
    return {"train": str(folder / "train.parquet"), "eval": str(folder / "eval.parquet")}


def configure(workdir: Path, values: dict[str, Any]) -> Path:
    """A work folder with this configuration."""
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(json.dumps(values))
    return workdir


def fit_values(data: dict[str, str], kind: str = "reward", **options: Any) -> dict[str, Any]:
    """Configuration of a tiny run."""
    values = {
        "kind": kind,
        "preset": "bt" if kind == "reward" else "dpo",
        "data": data,
        "base": BASE,
        "tokenizer": {"train_on_data": True},
        "max_length": 64,
        "token_budget": 200,
        "learning_rate": 3e-3,
        "steps": 8,
        "checkpoint_every": 3,
        "sample_prompts": 0,
        "threads": 1,
    }
    return values | options


def start(command: str, workdir: Path) -> subprocess.Popen[str]:
    """The process of one command."""
    return subprocess.Popen(
        [sys.executable, "-m", "training", command, str(workdir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        pipesize=PIPE_BYTES,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def run(command: str, workdir: Path) -> Outcome:
    """One command to its end."""
    return _rest(start(command, workdir), [])


def interrupt(workdir: Path, after_step: int, how: signal.Signals) -> Outcome:
    """A fit that gets a signal as soon as it reports a step."""
    process = start("fit", workdir)
    assert process.stdout is not None
    events: list[dict[str, Any]] = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == "metric" and events[-1]["step"] >= after_step:
            process.send_signal(how)
            break
    return _rest(process, events)


def _rest(process: subprocess.Popen[str], events: list[dict[str, Any]]) -> Outcome:
    assert process.stdout is not None
    with process:
        events += [json.loads(line) for line in process.stdout]
        process.wait(timeout=300)
    return Outcome(process.returncode, events)
