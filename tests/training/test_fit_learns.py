"""Fits learn, report, and leave folders that plain transformers loads and scores the same."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from training.batching.rows import read_rows
from training.batching.tokenise import Encoder, Limits
from training.errors import RefusalError
from training.fit import evaluate, fit, generate, score
from training.fit.embed import embed
from training.fit.models.tokenizer import train_tokenizer

from .command import configure, fit_values, write_data
from .small import rows
from .tiny import bert_model, causal_model


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    return write_data(tmp_path / "data")


def losses(workdir: Path) -> list[float]:
    history = json.loads((workdir / "history.json").read_text())
    return [entry["loss"] for entry in history if "loss" in entry]


def save_base(model: Any, folder: Path) -> dict[str, Any]:
    """A model folder with a tokenizer whose vocabulary fits, and the `base` naming it."""
    tokenizer = train_tokenizer(["Question right clear kind wrong vague"] * 4, 300)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"path": str(folder)}


def plain_rewards(model: Path, data: str) -> list[list[float]]:
    """Rewards through transformers' own class and padding, from text."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForSequenceClassification.from_pretrained(model).eval()
    found = []
    for row in read_rows(Path(data)):
        texts = [
            tokenizer.apply_chat_template(
                [*row.prompt, {"role": "assistant", "content": c}], tokenize=False
            ).rstrip("\n")
            for c in row.completions
        ]
        inputs = tokenizer(texts, padding=True, add_special_tokens=False, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            found.append(loaded(**inputs).logits[:, 0].tolist())
    return found


def our_rewards(workdir: Path, model: Path, data: str) -> list[list[float]]:
    values = {"model": str(model), "data": data, "max_length": 64, "threads": 1}
    score.run(configure(workdir, values))
    rewards: list[list[float]] = pq.read_table(workdir / "scores.parquet")["rewards"].to_pylist()
    return rewards


def test_reward_model_learns_and_loads_as_a_plain_classifier(
    tmp_path: Path, data: dict[str, str]
) -> None:
    workdir = configure(tmp_path / "run", fit_values(data, steps=40))
    values = fit.run(workdir)
    assert losses(workdir)[0] > 0.4
    assert losses(workdir)[-1] < 0.05
    assert values["eval"]["accuracy"] > 0.9
    assert values["eval"]["accuracy_interval"][0] <= values["eval"]["accuracy"]
    assert values["layout"] == "shared"
    assert sorted(p.suffix for p in (workdir / "model").iterdir() if p.suffix != ".json") == [
        ".jinja",
        ".md",
        ".safetensors",
    ]
    ours = our_rewards(tmp_path / "score", workdir / "model", data["eval"])
    plain = plain_rewards(workdir / "model", data["eval"])
    for first, second in zip(ours, plain, strict=True):
        assert first == pytest.approx(second, abs=1e-4)
    card = json.loads((workdir / "model" / "card.json").read_text())
    assert card["config"]["preset"] == "bt"
    assert card["config"]["data"] == {"train": "train.parquet", "eval": "eval.parquet"}
    assert set(card["data_sha256"]) == {"train", "eval"}
    for text in (path for path in (workdir / "model").iterdir() if path.suffix != ".safetensors"):
        assert str(tmp_path) not in text.read_text(), text.name


def test_evaluation_shows_the_longer_baseline(tmp_path: Path, data: dict[str, str]) -> None:
    workdir = configure(tmp_path / "run", fit_values(data, steps=20))
    fitted = fit.run(workdir)
    settings = {"model": str(workdir / "model"), "data": data["eval"], "max_length": 64}
    found = evaluate.run(configure(tmp_path / "evaluation", settings | {"threads": 1}))
    assert found["accuracy"] == fitted["eval"]["accuracy"]
    assert found["brier"] == pytest.approx(fitted["eval"]["brier"], abs=1e-5)
    assert 0 <= found["longer_baseline_interval"][0] <= found["longer_baseline"] <= 1
    assert found["by_source"].keys() == {"human"}


def test_policy_overfits_one_batch_and_moves_from_its_reference(
    tmp_path: Path, data: dict[str, str]
) -> None:
    options: dict[str, Any] = {
        "steps": 60,
        "sft_warmup_steps": 30,
        "token_budget": 4096,
        "sample_prompts": 2,
    }
    workdir = configure(tmp_path / "run", fit_values(data, "policy", keep="last", **options))
    values = fit.run(workdir)
    warmed, trained = losses(workdir)[:30], losses(workdir)[30:]
    assert warmed[-1] < warmed[0]
    assert trained[0] == pytest.approx(math.log(2), abs=1e-6)
    assert trained[-1] < 0.3
    assert values["step_zero_log_ratio"] <= 1e-5
    assert values["kl_to_reference"] > 0.01
    assert len(values["samples"]) == 2
    before = AutoModelForCausalLM.from_pretrained(workdir / "reference").state_dict()
    after = AutoModelForCausalLM.from_pretrained(workdir / "model").state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in after)


@pytest.mark.parametrize("preset", ["simpo", "orpo", "ipo"])
def test_other_objectives_run_from_end_to_end(
    tmp_path: Path, data: dict[str, str], preset: str
) -> None:
    workdir = configure(tmp_path / "run", fit_values(data, "policy", preset=preset, steps=6))
    values = fit.run(workdir)
    assert values["steps"] == 6
    assert {"logp_chosen", "logp_rejected", "margin"} <= values["eval"].keys()


def test_encoder_base_trains_and_loads_as_a_plain_classifier(
    tmp_path: Path, data: dict[str, str]
) -> None:
    base = save_base(bert_model(), tmp_path / "bert")
    options: dict[str, Any] = {"base": base, "tokenizer": {}, "steps": 25}
    workdir = configure(tmp_path / "run", fit_values(data, **options))
    values = fit.run(workdir)
    assert values["layout"] == "padded pairs"
    assert losses(workdir)[-1] < losses(workdir)[0]
    loaded = AutoModelForSequenceClassification.from_pretrained(workdir / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(workdir / "model")
    encoder = Encoder(tokenizer, Limits(64, 32), causal=False)
    group = encoder.group(read_rows(Path(data["eval"]))[0])
    ours = our_rewards(tmp_path / "score", workdir / "model", data["eval"])[0]
    for completion, reward in zip(group.completions, ours, strict=True):
        types = torch.tensor([[0] * len(group.prompt) + [1] * len(completion)])
        ids = torch.tensor([[*group.prompt, *completion]])
        with torch.no_grad():
            plain = loaded(input_ids=ids, token_type_ids=types).logits[0, 0].item()
        assert reward == pytest.approx(plain, abs=1e-4)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # inside peft
def test_adapters_are_merged_into_a_plain_model(tmp_path: Path, data: dict[str, str]) -> None:
    base = save_base(causal_model("qwen2"), tmp_path / "qwen")
    options: dict[str, Any] = {
        "base": base,
        "tokenizer": {},
        "lora": {"r": 4},
        "steps": 12,
        "keep": "last",
    }
    workdir = configure(tmp_path / "run", fit_values(data, "policy", **options))
    values = fit.run(workdir)
    assert values["step_zero_log_ratio"] <= 1e-5
    before = AutoModelForCausalLM.from_pretrained(base["path"]).state_dict()
    after = AutoModelForCausalLM.from_pretrained(workdir / "model").state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed
    assert all("proj" in name for name in changed)


def test_padding_equal_to_the_end_token_is_given_its_own(
    tmp_path: Path, data: dict[str, str]
) -> None:
    base = save_base(causal_model("llama"), tmp_path / "llama")
    tokenizer = AutoTokenizer.from_pretrained(base["path"])
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(base["path"])
    options: dict[str, Any] = {"base": base, "tokenizer": {}, "steps": 3}
    workdir = configure(tmp_path / "run", fit_values(data, **options))
    fit.run(workdir)
    saved = AutoTokenizer.from_pretrained(workdir / "model")
    assert saved.pad_token_id != saved.eos_token_id
    ours = our_rewards(tmp_path / "score", workdir / "model", data["eval"])
    plain = plain_rewards(workdir / "model", data["eval"])
    for first, second in zip(ours, plain, strict=True):
        assert first == pytest.approx(second, abs=1e-4)


def test_generation_is_repeatable(tmp_path: Path, data: dict[str, str]) -> None:
    workdir = configure(tmp_path / "run", fit_values(data, "policy", steps=2))
    fit.run(workdir)
    settings = {"model": str(workdir / "model"), "data": data["eval"], "max_new_tokens": 5}
    found = []
    for name, extra in (("a", {}), ("b", {}), ("c", {"seed": 1})):
        values = settings | {"temperature": 1.0, "threads": 1} | extra
        folder = configure(tmp_path / name, values)
        assert generate.run(folder)["prompts"] == 12
        found.append(pq.read_table(folder / "generations.parquet")["completion"].to_pylist())
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch() -> None:
    model = bert_model().bert
    tokenizer = train_tokenizer(["Question right clear kind wrong vague"] * 4, 300)
    model.resize_token_embeddings(len(tokenizer))
    texts = ["right", "a much longer text than the others " * 3, "", "kind clear"]
    vectors, truncated = embed(model, tokenizer, texts, max_length=20, batch_tokens=64)
    assert truncated == 1
    assert torch.allclose(vectors[[0, 1, 3]].norm(dim=1), torch.ones(3))
    alone, _ = embed(model, tokenizer, texts[3:], max_length=20, batch_tokens=64)
    assert torch.allclose(vectors[3], alone[0], atol=1e-5)


def test_uninformative_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    columns = rows(6)
    columns["completions"][0] = ["same", "same"]
    columns["pair_p"][1] = 0.5
    columns["completions"][2] = ["", "kind words"]
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "train.parquet")
    data = {"train": str(folder / "train.parquet")}
    values = fit.run(configure(tmp_path / "run", fit_values(data, steps=2)))
    counts = values["counts"]["train"]
    assert counts["rows"] == 6
    assert (counts["dropped_identical"], counts["dropped_uninformative"]) == (1, 1)
    assert counts["empty_completions"] == 1


def test_answers_to_prompts_of_their_own_are_trained_on(tmp_path: Path) -> None:
    columns = rows(6)
    columns["own_prompts"] = [['[{"role": "user", "content": "a"}]', None]] * 6
    folder = tmp_path / "data"
    folder.mkdir()
    data = {"train": str(folder / "train.parquet")}
    pq.write_table(pa.table(columns), folder / "train.parquet")
    values = fit.run(configure(tmp_path / "run", fit_values(data, steps=2)))
    assert values["counts"]["train"]["rows"] == 6
    assert values["steps"] == 2


def test_only_ties_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    columns = rows(3)
    columns["pair_p"] = [0.5] * 3
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    workdir = configure(
        tmp_path / "run", fit_values({"train": str(tmp_path / "train.parquet")}, steps=2)
    )
    with pytest.raises(RefusalError, match="No row is left"):
        fit.run(workdir)
    assert not (workdir / "model").exists()
    assert not (workdir / "checkpoints").exists()
