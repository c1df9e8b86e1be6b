"""The memory estimate made before a run starts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from jobs.exceptions import JobFailed
from training.runs import memory


def config(**fields: Any) -> dict[str, Any]:
    scratch = {"hidden_size": 512, "layers": 8, "heads": 8, "vocab_size": 4096}
    values = {"base": {"path": None, "scratch": scratch}, "lora": None, "device": "cpu"}
    return values | {"token_budget": 2048, "max_length": 512} | fields


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


def test_the_estimate_grows_with_the_batch_and_shrinks_with_adapters() -> None:
    plain = memory.estimate(config())
    assert memory.estimate(config(token_budget=8192)) > plain
    assert memory.estimate(config(lora={"r": 8})) < plain
    # Near what was measured for this shape, and above it: 1955 MiB at the peak.
    assert 1955 < plain / 2**20 < 1.5 * 1955


def test_too_little_memory_is_refused_with_what_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 2 * 2**30)
    with pytest.raises(JobFailed, match=r"2\.4 GiB of 2\.0 GiB available main memory.*`lora`"):
        memory.require_memory(config())
    monkeypatch.setattr(memory, "available_bytes", lambda: 3 * 2**30)
    assert "2.4 GiB of 3.0 GiB" in memory.require_memory(config())


def test_this_machine_has_memory() -> None:
    assert memory.available_bytes() > 2**20
