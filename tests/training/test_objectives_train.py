"""Objectives that read more than sums, or carry numbers, in whole runs on the smallest policy."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.errors import RefusalError
from training.fit import events, fit
from training.fit.config import fit_config
from training.objectives.presets import PRESETS

from .command import configure, fit_values, write_data
from .small import rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_data(tmp_path_factory.mktemp("data"))


def losses(workdir: Path) -> list[float]:
    history = json.loads((workdir / "history.json").read_text())
    return [entry["loss"] for entry in history if entry["phase"] == "train"]


# At step 0 the policy is its reference: ρ = 0 and every KL is 0.
START = {
    "kto": 0.5,
    "tdpo1": math.log(2),
    "tdpo2": math.log(2),
    "ld_dpo": math.log(2),
    "beta_dpo": math.log(2),
    "bco": math.log(2),
    # The rows say 0.95: a win rate of 0.45 above one half, over beta.
    "sppo": 4.5**2,
    "aot": math.log(2),
    "info_nca": None,
    "wpo": None,
}


@pytest.mark.parametrize("name", list(START))
def test_a_run_starts_at_the_known_loss_and_learns(
    name: str, data: dict[str, str], tmp_path: Path
) -> None:
    values = fit_values(data, "policy", preset=name, steps=6, eval_every=3, learning_rate=1e-2)
    found = fit.run(configure(tmp_path, values))
    assert found["step_zero_log_ratio"] <= 1e-5
    loss = losses(tmp_path)
    start = START[name]
    if start is not None:
        assert loss[0] == pytest.approx(start, abs=1e-4)
    assert all(map(math.isfinite, loss))
    assert loss[-1] < loss[0]


@pytest.mark.parametrize("name", ["bco", "beta_dpo", "kto"])
def test_a_stopped_run_carries_its_numbers_on(
    name: str, data: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = fit_values(data, "policy", preset=name, steps=6, token_budget=300, accumulate=2)
    fit.run(configure(tmp_path / "whole", values))
    done: list[int] = []
    monkeypatch.setattr(events, "progress", lambda step, _total, _note: done.append(step))
    monkeypatch.setattr(events, "stop_wanted", lambda: bool(done) and done[-1] >= 4)
    with pytest.raises(events.StoppedError):
        fit.run(configure(tmp_path / "halves", values))
    monkeypatch.undo()
    (newest,) = sorted((tmp_path / "halves/checkpoints").iterdir())[-1:]
    state = json.loads((newest / "state.json").read_text())
    assert state["step"] == 4
    assert bool(state["running"]) == PRESETS[name].stateful
    fit.run(tmp_path / "halves")
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    files = [tmp_path / part / "model/model.safetensors" for part in ("whole", "halves")]
    assert files[0].read_bytes() == files[1].read_bytes()


def unpaired(folder: Path) -> dict[str, str]:
    """Each side of a pair as a row of its own, wanted or not."""
    columns = rows(24)
    single: dict[str, list[Any]] = {name: [] for name in columns}
    for number, sides in enumerate(columns["completions"]):
        for side, score in zip(sides, columns["score"][number], strict=True):
            for name, values in columns.items():
                single[name].append(values[number])
            single["completions"][-1] = [side]
            single["score"][-1] = [score]
            single["pair_p"][-1] = None
    path = folder / "single.parquet"
    pq.write_table(pa.table(single), path)
    return {"train": str(path), "eval": str(path)}


@pytest.mark.parametrize("name", ["kto", "bco", "apo_zero_unpaired", "filtered_sft"])
def test_single_completions_train_a_policy(name: str, tmp_path: Path) -> None:
    values = fit_values(unpaired(tmp_path), "policy", preset=name, steps=6, learning_rate=1e-2)
    found = fit.run(configure(tmp_path / "run", values))
    unwanted = 24 if name == "filtered_sft" else 0
    assert found["counts"]["train"]["dropped_uninformative"] == unwanted
    loss = losses(tmp_path / "run")
    assert loss[-1] < loss[0]


def test_pairs_refuse_single_completions(tmp_path: Path) -> None:
    values = fit_values(unpaired(tmp_path), "policy", preset="dpo")
    with pytest.raises(RefusalError, match="1 completions; 2 to 9 are possible"):
        fit.run(configure(tmp_path / "run", values))


@pytest.mark.parametrize("order", ["easy_first", "hard_first"])
def test_rows_come_in_the_order_of_their_labels(order: str, tmp_path: Path) -> None:
    """The margin is what makes a label clear, and odpo's loss shows it: it asks for it."""
    columns = rows(12)
    columns["margin"] = [float(10 * (k % 3)) + 1.0 for k in range(12)]
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    values = fit_values(
        {"train": str(tmp_path / "train.parquet")},
        "policy",
        preset="odpo",
        order=order,
        learning_rate=1e-9,
        token_budget=1,
        steps=12,
    )
    fit.run(configure(tmp_path / "run", values))
    margins = [round(loss) for loss in losses(tmp_path / "run")]
    assert margins == sorted(margins, reverse=order == "easy_first")
    assert len(set(margins)) == 3


def test_distributions_are_compared_with_the_base_only(data: dict[str, str]) -> None:
    values = fit_values(data, "policy", preset="tdpo1", reference=[{"path": "elsewhere"}])
    with pytest.raises(RefusalError, match="whole distributions"):
        fit_config(values)
