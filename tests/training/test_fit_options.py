"""Options of a fit: schedules, early stop, adapters, references, recomputation, event files."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from training.batching.rows import read_rows
from training.errors import RefusalError
from training.fit import events, fit
from training.fit.board import Board
from training.fit.checkpoint import State
from training.fit.config import FitConfig, fit_config
from training.fit.files import finite
from training.fit.optimiser import learning_rate, make_optimiser
from training.fit.reference.cache import ReferenceCache
from training.fit.reference.models import mixed

from .command import configure, fit_values, write_data
from .test_fit_learns import losses, save_base
from .tiny import causal_model


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_data(tmp_path_factory.mktemp("data"))


def settings(**options: Any) -> FitConfig:
    values = fit_values({"train": "train.parquet", "eval": "eval.parquet"}, **options)
    return fit_config(values)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"schedule": "constant", "warmup": 0}, [1, 1, 1, 1, 1]),
        ({"schedule": "constant", "warmup": 2}, [1 / 3, 2 / 3, 1, 1, 1]),
        ({"schedule": "linear", "warmup": 0}, [1, 0.8, 0.6, 0.4, 0.2]),
        (
            {"schedule": "cosine", "warmup": 0},
            [(1 + math.cos(math.pi * k / 5)) / 2 for k in range(5)],
        ),
        ({"schedule": "wsd", "warmup": 0, "decay": 0.4}, [1, 1, 1, 1, 0.5]),
        ({"schedule": "wsd", "warmup": 1, "decay": 1.0}, [0.5, 1, 0.75, 0.5, 0.25]),
    ],
)
def test_schedules(options: dict[str, Any], expected: list[float]) -> None:
    config = settings(**options)
    rates = [learning_rate(config, 3.0, step, 5) for step in range(5)]
    assert rates == pytest.approx([3.0 * share for share in expected])


def test_the_optimiser_has_the_settings_asked_for() -> None:
    config = settings(optimiser={"beta1": 0.8, "beta2": 0.95, "eps": 1e-6}, weight_decay=0.1)
    model = torch.nn.Linear(2, 2)
    optimiser = make_optimiser(model, config.weight_decay, config.optimiser)
    weight, bias = optimiser.param_groups
    assert (weight["betas"], weight["eps"], weight["weight_decay"]) == ((0.8, 0.95), 1e-6, 0.1)
    assert bias["weight_decay"] == 0.0
    for wrong in ({"beta1": 1.0}, {"beta2": -0.1}, {"eps": 0.0}):
        with pytest.raises(RefusalError, match=f"optimiser.{next(iter(wrong))}"):
            settings(optimiser=wrong)


def history(workdir: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((workdir / "history.json").read_text())
    return found


@pytest.mark.parametrize("select", ["accuracy", "loss"])
def test_training_ends_early_where_held_out_figures_stand_still(
    tmp_path: Path, data: dict[str, str], select: str
) -> None:
    options: dict[str, Any] = {"steps": 200, "eval_every": 2, "early_stop": 2, "select": select}
    workdir = configure(tmp_path / "run", fit_values(data, early_stop_delta=0.02, **options))
    values = fit.run(workdir)
    assert values["stopped_early"]
    assert values["steps"] < 200
    evaluations = [e for e in history(workdir) if e["phase"] == "eval"]
    best = next(e for e in evaluations if e["step"] == values["selected_step"])
    figures = [e[f"eval_{select}"] * (1 if select == "accuracy" else -1) for e in evaluations]
    assert len(evaluations) - 1 - evaluations.index(best) == 2
    assert max(figures[-2:]) <= figures[evaluations.index(best)] + 0.02


def test_early_stop_needs_held_out_data() -> None:
    with pytest.raises(RefusalError, match="`early_stop` looks at held-out data"):
        fit_config(fit_values({"train": "train.parquet"}, early_stop=2))


class Interrupted(Exception):
    """The process is gone."""


def killed_after(workdir: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until a metric of this step is told, then break off without a word."""
    tell = events.metric

    def told(number: int, values: Any) -> None:
        tell(number, values)
        if number >= step and "loss" in values:
            raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("training.fit.events.metric", told)
        with pytest.raises(Interrupted):
            fit.run(workdir)


RESUMED: dict[str, dict[str, Any]] = {
    "early stop": {"eval_every": 1, "early_stop": 3, "select": "loss", "early_stop_delta": 0.05},
    "accumulation and dropout": {"accumulate": 3, "token_budget": 60, "dropout": 0.1},
    "best weights": {"eval_every": 2, "keep": "best", "steps": 14},
    "recomputation": {"gradient_checkpointing": True, "schedule": "wsd"},
    "running numbers": {"kind": "policy", "preset": "bco"},
}


@pytest.mark.parametrize("name", list(RESUMED))
def test_broken_off_and_resumed_is_the_same_run(
    tmp_path: Path, data: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"steps": 12, "checkpoint_every": 2} | RESUMED[name]
    kind = str(options.pop("kind", "reward"))
    assert_resumes(tmp_path, fit_values(data, kind, **options), monkeypatch, at=(3, 5))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # inside peft
def test_adapters_resume(
    tmp_path: Path, data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = save_base(causal_model("qwen2"), tmp_path / "qwen")
    options: dict[str, Any] = {"base": base, "tokenizer": {}, "lora": {"r": 4, "dropout": 0.0}}
    values = fit_values(data, "policy", checkpoint_every=2, sft_warmup_steps=3, **options)
    assert_resumes(tmp_path, values, monkeypatch, at=(2, 6, 9))


def test_a_run_that_lost_what_its_warm_up_left_takes_no_other_reference(
    tmp_path: Path, data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = fit_values(data, "policy", checkpoint_every=2, sft_warmup_steps=3)
    workdir = configure(tmp_path, values)
    killed_after(workdir, 6, monkeypatch)
    rmtree(workdir / "reference")
    rmtree(workdir / "reference_cache")
    with pytest.raises(RefusalError, match="after the warm-up is gone"):
        fit.run(workdir)


def assert_resumes(
    folder: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, at: tuple[int, ...]
) -> None:
    """The run broken off at these steps ends with the figures and the bytes of the whole one."""
    whole, broken = (configure(folder / name, values) for name in ("whole", "broken"))
    expected = fit.run(whole)
    for step in at:
        killed_after(broken, step, monkeypatch)
    found = fit.run(broken)
    assert history(broken) == history(whole)
    for name in ("steps", "selected_step", "stopped_early", "eval"):
        assert finite(found[name]) == finite(expected[name]), name
    files = [path / "model" / "model.safetensors" for path in (whole, broken)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_same_seed_gives_the_same_losses_and_another_seed_does_not(
    tmp_path: Path, data: dict[str, str]
) -> None:
    curves = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        workdir = configure(tmp_path / name, fit_values(data, seed=seed, dropout=0.1))
        fit.run(workdir)
        curves.append(losses(workdir))
    assert curves[0] == curves[1]
    assert curves[0] != curves[2]


def test_recomputation_changes_no_number(tmp_path: Path, data: dict[str, str]) -> None:
    curves = []
    for name, on in (("kept", False), ("computed again", True)):
        workdir = configure(tmp_path / name, fit_values(data, gradient_checkpointing=on))
        fit.run(workdir)
        curves.append(losses(workdir))
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # inside peft
@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("kind", ["reward", "policy"])
def test_adapters_load_with_peft(
    tmp_path: Path, data: dict[str, str], kind: str, merge: bool
) -> None:
    from peft import PeftModel

    base = save_base(causal_model("llama"), tmp_path / "llama")
    options: dict[str, Any] = {"base": base, "tokenizer": {}, "lora": {"r": 4, "merge": merge}}
    workdir = configure(tmp_path / "run", fit_values(data, kind, steps=5, **options))
    fit.run(workdir)
    model = workdir / "model"
    loader = AutoModelForCausalLM if kind == "policy" else AutoModelForSequenceClassification
    extra = {} if kind == "policy" else {"num_labels": 1, "pad_token_id": 0}
    plain = loader.from_pretrained(base["path"], **extra)
    loaded = PeftModel.from_pretrained(plain, model / "adapter" if merge else model).eval()
    ids = torch.tensor([[5, 9, 11, 7]])
    with torch.no_grad():
        theirs = loaded(input_ids=ids).logits
    if merge:
        with torch.no_grad():
            ours = loader.from_pretrained(model).eval()(input_ids=ids).logits
        assert torch.allclose(ours, theirs, atol=1e-4)
    else:
        before = plain.get_base_model() if hasattr(plain, "get_base_model") else plain
        assert any("lora" in name for name, _ in before.named_parameters())
        assert not (model / "model.safetensors").exists()
        tensors = load_file(model / "adapter_model.safetensors")
        assert any(bool(t.abs().sum()) for name, t in tensors.items() if "lora_B" in name)
    assert (
        str(tmp_path)
        not in ((model / "adapter" if merge else model) / "adapter_config.json").read_text()
    )


def test_several_references_count_by_their_weights(tmp_path: Path, data: dict[str, str]) -> None:
    base = save_base(causal_model("llama"), tmp_path / "llama")
    torch.manual_seed(9)
    other = causal_model("llama")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    second = save_base(other, tmp_path / "second")
    options: dict[str, Any] = {"base": base, "tokenizer": {}, "steps": 1, "learning_rate": 1e-9}
    ratios = []
    for number, references in enumerate(
        [
            [{"path": base["path"]}],
            [{"path": second["path"]}],
            [{"path": base["path"], "weight": 1}, {"path": second["path"], "weight": 3}],
        ]
    ):
        values = fit_values(data, "policy", reference=references, **options)
        eval_ = fit.run(configure(tmp_path / str(number), values))["eval"]
        ratios.append(eval_["log_ratio_chosen"])
    assert ratios[0] == pytest.approx(0.0, abs=1e-4)
    assert abs(ratios[1]) > 0.01
    assert ratios[2] == pytest.approx(0.25 * ratios[0] + 0.75 * ratios[1], abs=1e-4)


def test_references_are_mixed_as_geometric_means() -> None:
    caches = [ReferenceCache(Path("a"), values={b"k": v}) for v in (-1.0, -3.0)]
    assert mixed(caches, [2.0, 2.0]).values == {b"k": -2.0}
    assert mixed(caches, [3.0, 1.0]).values == {b"k": -1.5}


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """Figures in event files as TensorBoard shows them: a purge drops what had come before."""
    import struct

    found: dict[tuple[str, int], float] = {}
    for file in sorted(folder.glob("events*")):
        rest = file.read_bytes()
        while rest:
            (length,) = struct.unpack("<Q", rest[:8])
            event = Event.FromString(rest[12 : 12 + length])
            rest = rest[16 + length :]
            if event.HasField("session_log") and event.session_log.status == 1:
                found = {key: value for key, value in found.items() if key[1] < event.step}
            for value in event.summary.value:
                assert (value.tag, event.step) not in found, "told twice"
                found[value.tag, event.step] = value.simple_value
    return found


def test_event_files_hold_every_step_once(
    tmp_path: Path, data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir = configure(tmp_path / "run", fit_values(data, checkpoint_every=3))
    killed_after(workdir, 5, monkeypatch)
    fit.run(workdir)
    found = scalars(workdir / "tensorboard")
    expected = {
        (f"{entry['phase']}/{name}", entry["step"]): value
        for entry in history(workdir)
        for name, value in entry.items()
        if name not in ("step", "phase")
    }
    assert found == pytest.approx(expected, rel=1e-6)
    without = configure(tmp_path / "none", fit_values(data, tensorboard=False, steps=1))
    fit.run(without)
    assert not (without / "tensorboard").exists()


def test_a_key_without_wandb_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "a secret")
    board = Board.open(settings(tensorboard=False), tmp_path, State("f"), writes=True)
    line = json.loads(capsys.readouterr().out)
    assert "wandb is not installed" in line["message"]
    assert "secret" not in line["message"]
    assert board.online is None


def test_figures_go_to_weights_and_biases_under_the_run_s_own_name(
    tmp_path: Path, data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package called wandb that writes down what it is given."""
    package = tmp_path / "packages" / "wandb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "calls = []\n"
        "class Run:\n"
        "    def log(self, values, step): calls.append((step, values))\n"
        "    def finish(self): calls.append('finish')\n"
        "def init(**options):\n"
        "    calls.append(options)\n"
        "    return Run()\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("WANDB_API_KEY", "a secret")
    workdir = configure(tmp_path / "run", fit_values(data, steps=2))
    fit.run(workdir)
    first, *steps, last = importlib.import_module("wandb").calls
    assert (first["resume"], last) == ("allow", "finish")
    assert [step for step, values in steps if "train/loss" in values] == [1, 2]


def test_the_report_says_what_it_ran_on(tmp_path: Path, data: dict[str, str]) -> None:
    workdir = configure(tmp_path / "run", fit_values(data, steps=4))
    values = fit.run(workdir)
    curve = losses(workdir)
    assert (values["first_loss"], values["last_loss"]) == (curve[0], curve[-1])
    assert values["surroundings"]["torch"] == torch.__version__
    assert values["surroundings"]["processes"] == 1
    assert values["counts"]["train"]["completions_truncated"] == 0
    assert values["wall_seconds_this_process"] >= values["seconds"] > 0
    # Seconds are told in thousandths, and a run of four steps has few of them.
    assert values["tokens"] / values["tokens_per_second"] == pytest.approx(
        values["seconds"], abs=1e-3
    )
    assert len(read_rows(Path(data["train"]))) == values["counts"]["train"]["rows"]
