"""`python -m training`: quick help, refusals without tracebacks, events as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from training.__main__ import COMMANDS, main
from training.errors import RefusalError
from training.fit import events
from training.fit.config import fit_config

from .command import ROOT, configure, fit_values, write_data


def test_help_and_plain_imports_leave_torch_alone() -> None:
    code = (
        "import sys, training, training.__main__, training.fit.config, training.fit.events\n"
        "import training.objectives.presets, training.objectives.preference\n"
        "try: training.__main__.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'django'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def refusal(command: str, workdir: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The error event of a command that must refuse."""
    assert main([command, str(workdir)]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["event"] == "error"
    assert lines[-1]["hint"]
    found: dict[str, Any] = lines[-1]
    return found


@pytest.fixture(autouse=True)
def _own_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands inside the test process must not take over its signals."""
    monkeypatch.setattr("training.__main__.listen_for_stop", lambda: None)


@pytest.mark.parametrize("command", list(COMMANDS))
def test_missing_configuration_is_refused(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no config.json" in refusal(command, tmp_path, capsys)["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "dpo"}, "no reward preset called 'dpo'"),
        ({"preset_options": {"beta": -1}}, "preset_options.beta"),
        ({"colour": "red"}, "`colour` is not a setting"),
        ({"base": {"scratch": {"hidden_size": "big"}}}, "`base.scratch.hidden_size` is 'big'"),
        ({"base": {"scratch": {"hidden_size": 30, "heads": 4}}}, "cannot be split into 4 heads"),
        ({"base": {}}, "exactly one of `path`, `scratch` and `hub`"),
        ({"tokenizer": {}}, "needs a tokenizer"),
        ({"learning_rate": 0}, "`learning_rate` is 0"),
        ({"token_budget": True}, "`token_budget` is True"),
        ({"max_length": 64, "max_prompt_length": 64}, "no room for a completion"),
        ({"sft_warmup_steps": 5}, "for policies"),
        ({"precision": "fp8"}, "`precision` is 'fp8'"),
        ({"kind": "policy", "preset": "dpo", "dropout": 0.1}, "`dropout` must be 0"),
        ({"lora": {"r": 4}}, "needs a trained base"),
    ],
)
def test_bad_configuration_names_field_and_remedy(changes: dict[str, Any], message: str) -> None:
    values = fit_values({"train": "train.parquet"}) | changes
    with pytest.raises(RefusalError, match=message) as caught:
        fit_config(values)
    assert caught.value.hint


def test_missing_field_is_named() -> None:
    values = fit_values({"train": "train.parquet"})
    del values["base"]
    with pytest.raises(RefusalError, match="`base` is missing"):
        fit_config(values)


def test_base_without_safetensors_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = fit_values(write_data(tmp_path / "data"))
    missing = values | {"base": {"path": str(tmp_path / "none")}}
    assert "There is no model" in _message(tmp_path / "a", missing, capsys)
    folder = tmp_path / "pickled"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "pytorch_model.bin").write_bytes(b"not read")
    pickled = values | {"base": {"path": str(folder)}}
    assert "no weights as safetensors" in _message(tmp_path / "b", pickled, capsys)


def _message(workdir: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    return str(refusal("fit", configure(workdir, values), capsys)["message"])


def test_missing_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = fit_values({"train": str(tmp_path / "none.parquet")})
    assert "no data file none.parquet" in _message(tmp_path, values, capsys)
    embedding = configure(tmp_path / "e", {"data": str(tmp_path / "none.parquet")})
    assert "no data file" in refusal("embed", embedding, capsys)["message"]


def test_memory_running_out_is_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import training.fit.fit

    def greedy(_workdir: Path) -> dict[str, Any]:
        import torch

        return {"numbers": torch.empty(10**15)}

    monkeypatch.setattr(training.fit.fit, "run", greedy)
    found = refusal("fit", tmp_path, capsys)
    assert "Out of memory" in found["message"]
    assert "token_budget" in found["hint"]
    values = fit_values({"train": "none"}, token_budget=4096, base={"path": "model"})
    hint = refusal("fit", configure(tmp_path, values), capsys)["hint"]
    for part in (
        "`token_budget` is 4096: set 2048 and `accumulate` 2",
        "`max_length` is 64: set 32",
        "`precision` is fp32",
        "`gradient_checkpointing` is off",
        "`lora` is off",
    ):
        assert part in hint
    thrifty = {"precision": "bf16", "gradient_checkpointing": True, "lora": {"r": 4}}
    short = refusal("fit", configure(tmp_path, values | thrifty), capsys)["hint"]
    assert "precision" not in short
    assert "lora" not in short


def test_numbers_that_json_does_not_know_become_null(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events.metric(3, {"loss": float("nan"), "accuracy": 0.5})
    line = json.loads(capsys.readouterr().out)
    assert line == {"event": "metric", "step": 3, "values": {"loss": None, "accuracy": 0.5}}
