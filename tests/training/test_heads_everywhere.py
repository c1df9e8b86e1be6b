"""Reward heads with adapters, in several processes, and behind prompts of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from training.batching.rows import read_rows
from training.batching.tokenise import Encoder, Limits
from training.errors import RefusalError
from training.fit import evaluate, fit
from training.fit.models.tokenizer import load_tokenizer
from training.fit.scoring.reward import CausalRewardScorer
from training.fit.scoring.scorers import make_scorer

from . import head_formulas
from .command import configure, fit_values, run
from .head_models import HEADS, PRESETS, head_model, loss_of, rated_groups, shake, spec_for
from .test_fit_learns import save_base
from .test_fit_team import assert_same, together
from .test_head_files import labelled, ours, plain
from .test_layout_parity import _Sized, assert_same_gradients
from .tiny import causal_model

KINDS: dict[str, dict[str, Any]] = {
    "ensemble": {"head": {"kind": "ensemble"}},
    "annotators": {"head": {"kind": "annotators", "size": 3}},
    "attributes": {"head": {"kind": "attributes"}, "preset": "attributes"},
    "mixture": {"head": {"kind": "mixture"}},
    "preference": {"head": {"kind": "preference"}},
}


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def write(folder: Path, columns: dict[str, list[Any]], name: str = "train") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    return {
        "train": write(tmp_path, labelled(24)),
        "eval": write(tmp_path, labelled(9, start=1000), "eval"),
    }


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # inside peft
@pytest.mark.parametrize("name", list(KINDS))
def test_heads_are_trained_beside_adapters(name: str, data: dict[str, str], tmp_path: Path) -> None:
    base = save_base(causal_model("llama"), tmp_path / "llama")
    options: dict[str, Any] = {"base": base, "tokenizer": {}, "lora": {"r": 4}} | KINDS[name]
    workdir = configure(tmp_path / "run", fit_values(data, **options))
    fit.run(workdir)
    folder = workdir / "model"
    tensors = load_file(folder / "head.safetensors")
    moved = {"annotators": "deviation", "ensemble": None}.get(name, "gate")
    assert moved is None or tensors[moved].abs().max() > 0
    adapters = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert any(bool(t.abs().sum()) for key, t in adapters.items() if "lora_B" in key)
    # The merged folder is a plain classifier, and the formula beside it gives our rewards.
    table = ours(tmp_path / "scores", folder, data["eval"])
    for our, (logits, prompt) in zip(table["rewards"], plain(folder, data["eval"]), strict=True):
        expected = head_formulas.rewards(folder, logits, prompt)
        assert our == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["annotators", "ensemble", "mixture"])
def test_two_processes_train_a_head_as_one_does(
    name: str, data: dict[str, str], tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"optimiser": {"eps": 1e-4}, "device": "cpu", "accumulate": 2}
    values = fit_values(data, **(settings | {"learning_rate": 1e-3} | KINDS[name]))
    one, two = (configure(tmp_path / part, values) for part in ("one", "two"))
    alone = run("fit", one)
    events = together(two)
    assert_same(one, two)
    first, second = (load_file(path / "model" / "head.safetensors") for path in (one, two))
    for key, tensor in first.items():
        assert torch.allclose(tensor, second[key], atol=1e-5), key
    if name == "annotators":
        assert events[-1]["values"]["eval_by_annotator"] == alone.values["eval_by_annotator"]


def with_own_prompts(count: int, start: int = 0) -> dict[str, list[Any]]:
    """Rows whose second side answers another question."""
    columns = labelled(count, start=start)
    columns["own_prompts"] = [
        [json.dumps([{"role": "user", "content": text}]) for text in (f"Ask {k}?", f"Say {k}!")]
        for k in range(count)
    ]
    return columns


@pytest.mark.parametrize(
    "options",
    [
        KINDS["annotators"],
        KINDS["ensemble"],
        {"head": {"kind": "attributes", "gate": "constant"}, "preset": "attributes"},
        {"head": {"kind": "mixture", "gate": "constant"}},
        {"head": {"kind": "length"}},
    ],
)
def test_heads_learn_from_sides_with_prompts_of_their_own(
    options: dict[str, Any], tmp_path: Path
) -> None:
    paths = {"train": write(tmp_path, with_own_prompts(18)), "eval": ""}
    paths["eval"] = write(tmp_path, with_own_prompts(6, start=500), "eval")
    workdir = configure(tmp_path / "run", fit_values(paths, **options))
    report = fit.run(workdir)
    assert report["eval"]["pairs"] == 6
    settings = {"model": str(workdir / "model"), "data": paths["eval"], "max_length": 64}
    found = evaluate.run(configure(tmp_path / "again", settings | {"threads": 1}))
    assert found["brier"] == pytest.approx(report["eval"]["brier"], abs=1e-5)


@pytest.mark.parametrize("name", ["annotators", "attributes_constant", "length"])
def test_rows_with_prompts_of_their_own_are_the_same_in_every_layout(
    name: str, data: dict[str, str], tmp_path: Path
) -> None:
    fit.run(configure(tmp_path / "run", fit_values(data, steps=1)))
    tokenizer = load_tokenizer(tmp_path / "run" / "model")
    encoder = Encoder(tokenizer, Limits(64, 32))
    path = Path(write(tmp_path, with_own_prompts(5), "own"))
    members = [encoder.group(row) for row in read_rows(path)]
    assert all(group.skips for group in members)
    model = head_model(spec_for(HEADS[name], members), vocab_size=len(tokenizer))
    shake(model)
    losses = []
    for layout in ("shared", "plain"):
        scorer = make_scorer(model, "reward", _Sized(), layout=layout, precision="fp32")
        losses.append(loss_of(scorer.signals(members), members, PRESETS.get(name, "bt")))
    assert_same_gradients(model, losses[0], losses[1])


@pytest.mark.parametrize("name", ["mixture", "attributes", "preference"])
def test_a_gate_on_the_prompt_refuses_several_prompts(name: str, tmp_path: Path) -> None:
    paths = {"train": write(tmp_path, with_own_prompts(6))}
    with pytest.raises(RefusalError, match="prompts of their own") as refused:
        fit.run(configure(tmp_path / "run", fit_values(paths, **KINDS[name])))
    assert "`head.gate` to constant" in refused.value.hint
    members = rated_groups((2, 2))
    model = head_model(spec_for(HEADS["mixture"], members))
    scorer = make_scorer(model, "reward", _Sized(), layout="shared", precision="fp32")
    assert isinstance(scorer, CausalRewardScorer)
    apart = [type(group)(**fields_of(group) | {"skips": (1, 1)}) for group in members]
    with pytest.raises(RefusalError, match="prompts of their own"):
        scorer.signals(apart)


def fields_of(group: Any) -> dict[str, Any]:
    return {name: getattr(group, name) for name in group.__dataclass_fields__}
