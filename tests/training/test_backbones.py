"""Architectures of transformers: fitted, saved, and scored the same by transformers itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from training.batching.rows import read_rows
from training.batching.tokenise import Encoder, Limits
from training.errors import RefusalError
from training.fit import fit
from training.fit.config import Base
from training.fit.models.hub import base_folder
from training.fit.models.loading import load_model
from training.fit.models.tokenizer import load_tokenizer, train_tokenizer
from training.fit.scoring.reward import is_causal
from training.fit.scoring.scorers import make_scorer

from .command import configure, fit_values, write_data
from .tiny import CAUSAL, SIZES

CAUSAL_SIZES: dict[str, dict[str, Any]] = {
    **{name: options for name, options in CAUSAL.items() if name != "gemma"},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "n_inner": 48},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {"max_position_embeddings": 130, "pad_token_id": 1},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48},
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 8},
}


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_data(tmp_path_factory.mktemp("data"), train=8, held_out=6)


def save_base(folder: Path, architecture: str, kind: str, options: dict[str, Any]) -> Path:
    """A random model of the architecture with a tokenizer that fits."""
    tokenizer = train_tokenizer(["Question right clear kind wrong vague"] * 4, 300)
    known = {name: value for name, value in SIZES.items() if name != "head_dim"}
    known |= {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    known |= {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    if architecture in CAUSAL:
        known["head_dim"] = 8
    torch.manual_seed(3)
    settings = AutoConfig.for_model(architecture, **(known | options))
    loader = AutoModelForCausalLM if kind == "causal" else AutoModelForSequenceClassification
    loader.from_config(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def fitted(folder: Path, base: Path, data: dict[str, str], kind: str) -> tuple[Path, Any]:
    """One step on the base; the model's folder and the report."""
    options: dict[str, Any] = {"base": {"path": str(base)}, "tokenizer": {}, "steps": 1}
    values = fit.run(configure(folder, fit_values(data, kind, **options)))
    return folder / "model", values


def encoded(model: Path, data: dict[str, str], *, causal: bool) -> list[Any]:
    """Groups of the held-out rows."""
    encoder = Encoder(load_tokenizer(model), Limits(64, 32), causal)
    return [encoder.group(row) for row in read_rows(Path(data["eval"]))]


def ours(model: Path, groups: list[Any], kind: str) -> Any:
    """Rewards or log-probabilities of all completions as our scorer computes them."""
    tokenizer = load_tokenizer(model)
    loaded = load_model(model, kind).eval()
    scorer = make_scorer(loaded, kind, tokenizer, layout="auto", precision="fp32")
    with torch.no_grad():
        signals = scorer.signals(groups)
    return signals.reward if kind == "reward" else signals.logp


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("architecture", list(CAUSAL_SIZES))
@pytest.mark.parametrize("kind", ["reward", "policy"])
def test_causal_models(tmp_path: Path, data: dict[str, str], architecture: str, kind: str) -> None:
    base = save_base(tmp_path / "base", architecture, "causal", CAUSAL_SIZES[architecture])
    model, values = fitted(tmp_path / "run", base, data, kind)
    assert values["steps"] == 1
    groups = encoded(model, data, causal=True)
    loader = AutoModelForSequenceClassification if kind == "reward" else AutoModelForCausalLM
    plain = loader.from_pretrained(model).eval()
    expected = [
        plain_value(plain, kind, group.prompt, completion)
        for group in groups
        for completion in group.completions
    ]
    assert ours(model, groups, kind).tolist() == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def plain_value(model: Any, kind: str, prompt: Any, completion: Any) -> float:
    """What transformers' own forward says of one sequence."""
    ids = torch.tensor([[*prompt, *completion]])
    logits = model(input_ids=ids).logits.float()
    if kind == "reward":
        return float(logits[0, 0])
    logps = torch.log_softmax(logits[0, len(prompt) - 1 : -1], dim=1)
    return float(logps.gather(1, ids[0, len(prompt) :, None]).sum())


@pytest.mark.parametrize("architecture", list(ENCODERS))
def test_encoders(tmp_path: Path, data: dict[str, str], architecture: str) -> None:
    base = save_base(tmp_path / "base", architecture, "encoder", ENCODERS[architecture])
    model, _ = fitted(tmp_path / "run", base, data, "reward")
    plain = AutoModelForSequenceClassification.from_pretrained(model).eval()
    assert not is_causal(plain)
    groups = encoded(model, data, causal=False)
    typed = getattr(plain.config, "type_vocab_size", 0) > 1
    expected = []
    for group in groups:
        for completion in group.completions:
            types = [0] * len(group.prompt) + [1] * len(completion)
            inputs = {"token_type_ids": torch.tensor([types])} if typed else {}
            with torch.no_grad():
                ids = torch.tensor([[*group.prompt, *completion]])
                expected.append(float(plain(input_ids=ids, **inputs).logits[0, 0]))
    assert ours(model, groups, "reward").tolist() == pytest.approx(expected, abs=1e-4)


def test_an_encoder_is_no_policy(tmp_path: Path, data: dict[str, str]) -> None:
    base = save_base(tmp_path / "base", "distilbert", "encoder", ENCODERS["distilbert"])
    with pytest.raises(RefusalError, match="cannot be loaded as a policy model"):
        fitted(tmp_path / "run", base, data, "policy")


def test_images_and_code_are_refused(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base", "llama", "causal", {})
    settings = base / "config.json"
    settings.write_text('{"model_type": "clip"}')
    with pytest.raises(RefusalError, match="cannot be loaded"):
        load_model(base, "policy")
    code = '{"model_type": "own", "auto_map": {"AutoConfig": "code.Settings"}}'
    settings.write_text(code)
    (base / "code.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(RefusalError, match="cannot be loaded"):
        load_model(base, "policy")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of Hugging Face with one tiny model, and no network."""
    folder = tmp_path / "hub" / "models--org--tiny"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    save_base(folder / "snapshots" / COMMIT, "llama", "causal", {})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return folder


def test_allowed_hub_models_train(
    tmp_path: Path, cache: Path, data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = {"hub": "org/tiny", "revision": COMMIT}
    values = fit_values(data, base=base, tokenizer={}, steps=1)
    with pytest.raises(RefusalError, match="org/tiny is not allowed here"):
        fit.run(configure(tmp_path / "a", values))
    monkeypatch.setenv("TRAINING_HUB_ALLOWED", "org/other, org/tiny")
    fit.run(configure(tmp_path / "b", values))
    assert AutoTokenizer.from_pretrained(tmp_path / "b" / "model").pad_token
    shutil.rmtree(cache)
    with pytest.raises(RefusalError, match="cannot be had"):
        base_folder(Base(hub="org/tiny", revision=COMMIT))


def test_a_hub_model_needs_its_commit(tmp_path: Path, data: dict[str, str]) -> None:
    base = {"hub": "org/tiny", "revision": "main"}
    with pytest.raises(RefusalError, match="named with its commit"):
        fit.run(configure(tmp_path, fit_values(data, base=base, tokenizer={})))
