"""The memory estimate made before a run starts, and what it proposes to change."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from jobs.exceptions import JobFailed
from training.runs import devices, memory
from training.runs.config import checked
from training.runs.devices import Gpu

SCRATCH = {"hidden_size": 512, "layers": 8, "heads": 8, "vocab_size": 4096}
GIB = 2**30


def config(**fields: Any) -> dict[str, Any]:
    values = {
        "kind": "reward",
        "preset": "dpo" if fields.get("kind") == "policy" else "bt",
        "data": {"train": ""},
        "base": {"scratch": SCRATCH},
        "tokenizer": {"train_on_data": True},
        "device": "cpu",
        "token_budget": 2048,
        "max_length": 512,
    }
    return checked(values | fields)


def stored(folder: Path, **fields: Any) -> dict[str, Any]:
    """A configuration with a trained base of 4096 × 512 + 4096 × 2048 numbers and 8 layers."""
    settings = {"hidden_size": 512, "num_hidden_layers": 8}
    (folder / "config.json").write_text(json.dumps(settings))
    tensors = {"a": np.zeros((4096, 512), "float32"), "b": np.zeros((4096, 2048), "float32")}
    save_file(tensors, folder / "model.safetensors")
    return config(base={"path": str(folder)}, tokenizer={}, **fields)


def rows(folder: Path, *counts: int) -> Path:
    """A training file whose rows have so many completions."""
    path = folder / "train.parquet"
    pq.write_table(pa.table({"score": [[0.0] * count for count in counts]}), path)
    return path


def test_the_size_of_a_model_from_random_weights_follows_from_its_shape() -> None:
    # Embeddings 4096 * 512; a layer has 4 * 512 * 512 for attention and 3 * 512 * 2048 for the MLP.
    size = memory.size_of(config()["base"])
    assert size.parameters == 4096 * 512 + 8 * (4 * 512 * 512 + 3 * 512 * 2048)


def test_the_size_of_a_stored_model_is_read_from_the_headers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"n_embd": 8, "n_layer": 2}')
    save_file({"a": np.zeros((8, 4)), "b": np.zeros(3)}, tmp_path / "model-1.safetensors")
    save_file({"c": np.zeros((2, 2, 2))}, tmp_path / "model-2.safetensors")
    found = memory.size_of({"path": str(tmp_path), "scratch": None})
    assert found == memory.Size(parameters=43, hidden=8, layers=2)


def test_the_estimate_is_near_what_was_measured_and_above_it() -> None:
    # 2377 MiB at the peak of a fit of this shape on a CPU.
    assert 2377 < memory.estimate(config()) / 2**20 < 1.3 * 2377


@pytest.mark.parametrize(
    "smaller",
    [
        {"token_budget": 1024},
        {"gradient_checkpointing": True},
        {"freeze_layers": 4},
    ],
)
def test_what_saves_memory_lowers_the_estimate(smaller: dict[str, Any]) -> None:
    assert memory.estimate(config(**smaller)) < memory.estimate(config())


def test_adapters_need_neither_gradients_nor_moments_of_the_base(tmp_path: Path) -> None:
    full, adapters = stored(tmp_path), stored(tmp_path, lora={"r": 8})
    parameters = 4096 * 512 + 4096 * 2048
    saved = memory.estimate(full) - memory.estimate(adapters)
    assert saved == pytest.approx(0.98 * 20 * parameters, rel=0.01)


def test_a_policy_stands_beside_its_reference_and_processes_beside_each_other() -> None:
    lean = {"token_budget": 16, "max_length": 16, "gradient_checkpointing": True}
    reward, policy = config(**lean), config(kind="policy", **lean)
    assert memory.estimate(policy) >= memory.estimate(reward)
    assert memory.estimate(config(processes=3)) == 3 * memory.estimate(config())


def test_many_completions_count_once_more_in_the_plain_layout_than_in_the_shared() -> None:
    plain = memory.most_tokens(config(layout="plain"), 8)
    shared = memory.most_tokens(config(layout="shared"), 8)
    assert (plain, shared) == (8 * 512, 256 + 8 * 256)
    assert memory.most_tokens(config(), 2) == 2048


def test_the_widest_row_is_read_from_the_data(tmp_path: Path) -> None:
    assert memory.widest_row(rows(tmp_path, 2, 9, 3)) == 9
    assert memory.widest_row(rows(tmp_path)) == 2


def refusal(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], gib: float) -> str:
    monkeypatch.setattr(memory, "available_bytes", lambda: round(gib * GIB))
    with pytest.raises(JobFailed) as caught:
        memory.require_memory(values)
    return caught.value.message


@pytest.mark.parametrize("gib", [2.3, 1.9, 1.6])
def test_a_refusal_names_settings_that_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gib: float
) -> None:
    values = config() | {"data": {"train": str(rows(tmp_path, 2))}}
    message = refusal(monkeypatch, values, gib)
    assert f"of {gib:.1f} GiB available main memory" in message
    named = {name: json.loads(value) for name, value in re.findall(r"`(\w+)` to (\w+)", message)}
    assert "token_budget" in named
    assert memory.estimate(values | named) <= gib * GIB < memory.estimate(values)
    assert "(estimate)" in memory.require_memory(values | named)


def test_adapters_are_proposed_where_only_they_fit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = stored(tmp_path) | {"data": {"train": str(rows(tmp_path, 2))}}
    assert "`lora` to" in refusal(monkeypatch, values, 0.95)
    assert "use a smaller base model" in refusal(monkeypatch, values, 0.5)


def test_fewer_processes_are_proposed_where_that_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = config(processes=4, token_budget=1024) | {"data": {"train": str(rows(tmp_path, 2))}}
    assert "`processes` to 2" in refusal(monkeypatch, values, 4.5)


# --- GPUs -----------------------------------------------------------------------------------


def with_gpus(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    found = [Gpu(n, f"GPU-{n}{n}", gib * GIB, 80 * GIB) for n, gib in enumerate(free)]
    monkeypatch.setattr(devices, "_installed", lambda: found)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_gpu_that_is_not_there_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_gpus(monkeypatch)
    with pytest.raises(JobFailed, match="start a GPU worker"):
        devices.require_device("cuda", 1)
    devices.require_device("auto", 4)
    assert not devices.uses_gpu("auto")
    with_gpus(monkeypatch, 8)
    with pytest.raises(JobFailed, match="its worker sees 1: set `processes` to at most 1"):
        devices.require_device("auto", 2)
    devices.require_device("cpu", 2)
    assert devices.uses_gpu("auto")
    assert not devices.uses_gpu("cpu")


@pytest.mark.parametrize(
    ("visible", "indices"),
    [("1", [1]), ("2,0", [2, 0]), ("", []), ("GPU-1", [1]), ("0,7,1", [0]), ("-1", [])],
)
def test_a_worker_sees_the_gpus_that_were_given_to_it(
    monkeypatch: pytest.MonkeyPatch, visible: str, indices: list[int]
) -> None:
    with_gpus(monkeypatch, 10, 20, 30)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.index for gpu in devices.gpus()] == indices


def test_the_gpu_with_least_memory_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 40, 10, 5)
    assert memory.device_memory(config(device="auto")) == ("GPU", 40 * GIB)
    assert memory.device_memory(config(device="auto", processes=2)) == ("GPU", 10 * GIB)
    one, two = (memory.estimate(config(device="auto", processes=n)) for n in (1, 2))
    assert one == two


def test_the_driver_is_asked_and_its_answer_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-aa, 1024, 2048'\necho '1, GPU-bb, 512, 2048'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.gpus() == [
        Gpu(0, "GPU-aa", GIB, 2 * GIB),
        Gpu(1, "GPU-bb", GIB // 2, 2 * GIB),
    ]
    program.write_text("#!/bin/sh\necho No devices were found; exit 6\n")
    assert devices.gpus() == []


def test_this_machine_has_memory() -> None:
    assert memory.available_bytes() > 2**20
