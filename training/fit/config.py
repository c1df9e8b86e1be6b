"""Configuration of a fit: typed, frozen, and refused with the field and the remedy."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.fit.config_checks import check
from training.fit.heads.settings import Head
from training.fit.reading import build, read_json
from training.objectives.presets import Objective, resolve


@dataclass(frozen=True, slots=True)
class Scratch:
    """Size of a model that starts from random weights."""

    architecture: Literal["llama", "qwen2", "qwen3", "gemma"] = "llama"
    hidden_size: int = 128
    layers: int = 4
    heads: int = 4
    vocab_size: int = 4096


@dataclass(frozen=True, slots=True)
class Base:
    """Where the model starts: a folder with safetensors, random weights, or a model of the hub.

    Attributes:
        hub: "organisation/name" as the operator allows it in TRAINING_HUB_ALLOWED.
        revision: the commit of the hub model, 40 hexadecimal digits.
    """

    path: str | None = None
    scratch: Scratch | None = None
    hub: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """Parquet files in the schema of `training.batching.rows`."""

    train: str
    eval: str | None = None


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Tokenizer folder; by default the base model's, or one trained on the data."""

    path: str | None = None
    train_on_data: bool = False


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank adapters.

    Attributes:
        merge: whether `model/` is a plain model with the adapters added to its weights (beside
            it they are kept as `model/adapter/`), or holds the adapters alone.
    """

    r: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: str = "all-linear"
    merge: bool = True


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW's decay rates of the two moments, and its epsilon."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


@dataclass(frozen=True, slots=True)
class Reference:
    """One of several reference policies: a model folder and its share."""

    path: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class FitConfig:
    """One training run. Lengths and budgets are in tokens.

    Attributes:
        head: what turns a pooled state into a reward (reward models only).
        steps: optimiser steps; None means `epochs` passes over the data.
        token_budget: tokens of one micro-batch; `accumulate` micro-batches make one step.
        condition_on: an attribute whose rating the prompts name, so that the policy learns to reach
            it; see `training.batching.conditioning` (policies only).
        order: of the rows of an epoch: random, or by how clear their labels are.
        warmup: steps, or a share of all steps when under 1, of linear learning-rate warm-up.
        schedule: of the learning rate; "wsd" stays at its peak until the last `decay` share of
            the steps, in which it falls to 0 linearly.
        early_stop: held-out evaluations without an improvement above `early_stop_delta` after
            which training ends; 0 never does.
        select: held-out figure by which the best weights and the early stop are judged.
        gradient_checkpointing: keep one activation per layer and compute the rest again in the
            backward pass: less memory for about a third more time.
        reference: policies to compare with instead of the base; several count by their weights,
            which makes log π_ref the weighted mean of theirs.
        tensorboard: write event files to `tensorboard/` in the work folder.
        sft_warmup_steps: next-token steps on the preferred completions before the preference
            objective; the model after them is the reference (policies only).
        dropout: put over every dropout rate of the model; None keeps the model's own. Presets
            that compare with a reference need 0.
        freeze_layers: first transformer layers (with the embeddings) that are not trained.
        keep: weights that become `model/`: the best by held-out accuracy, or the last.
        reference_cache: folder of cached reference log-probabilities; reused between runs.
        layout: "shared" encodes each prompt once, "plain" repeats it; "auto" probes the model.
        threads: CPU threads; None leaves torch's own choice.
        processes: that train together, one per GPU, or on the CPU; above 1 the command is started
            by `accelerate launch`.
    """

    kind: Literal["reward", "policy"]
    preset: str
    data: Data
    base: Base
    head: Head = field(default_factory=Head)
    preset_options: dict[str, Any] = field(default_factory=dict)
    tokenizer: Tokenizer = Tokenizer()
    max_length: int = 512
    max_prompt_length: int | None = None
    epochs: float = 1.0
    steps: int | None = None
    learning_rate: float = 1e-4
    warmup: float = 0.05
    schedule: Literal["constant", "linear", "cosine", "wsd"] = "cosine"
    decay: float = 0.2
    optimiser: Optimiser = Optimiser()
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    token_budget: int = 2048
    accumulate: int = 1
    order: Literal["random", "easy_first", "hard_first"] = "random"
    condition_on: str = ""
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_every: int = 50
    eval_every: int = 0
    early_stop: int = 0
    early_stop_delta: float = 0.0
    select: Literal["accuracy", "loss"] = "accuracy"
    gradient_checkpointing: bool = False
    lora: Lora | None = None
    sft_warmup_steps: int = 0
    sft_learning_rate: float | None = None
    dropout: float | None = 0.0
    freeze_layers: int = 0
    keep: Literal["best", "last"] = "best"
    reference: list[Reference] = field(default_factory=list)
    reference_cache: str | None = None
    layout: Literal["auto", "shared", "plain"] = "auto"
    sample_prompts: int = 3
    sample_tokens: int = 48
    threads: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = 1
    tensorboard: bool = True
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt_limit(self) -> int:
        """Prompt tokens at most; by default half of `max_length`."""
        return self.max_prompt_length or self.max_length // 2

    @property
    def objective(self) -> Objective:
        """The preset with its options."""
        return resolve(self.kind, self.preset, self.preset_options)

    def fingerprint(self) -> str:
        """sha256 of everything that decides the result.

        What is at its default is left out: a setting that a later version adds does not make
        the checkpoints of an earlier one another configuration's.
        """
        values = _without_defaults(self)
        for name in NOT_DECIDING & values.keys():
            values.pop(name)
        values = _portable(values)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


# How many processes share a step, how often it is saved and what is written beside it; the files
# of the data are hashed by themselves.
NOT_DECIDING = frozenset(
    {"checkpoint_every", "data", "notes", "processes", "reference_cache", "tensorboard", "threads"}
)


def _portable(value: Any) -> Any:
    """Model folders by their names: on another machine they lie elsewhere."""
    if isinstance(value, list):
        return [_portable(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _folder_name(Path(inner)) if name == "path" and inner else _portable(inner)
        for name, inner in value.items()
    }


def _folder_name(path: Path) -> str:
    return "/".join(path.parts[-2:]) if path.name == "model" else path.name


def _without_defaults(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not at their default, nested ones likewise."""
    values: dict[str, Any] = {}
    for f in dataclasses.fields(settings):
        value = getattr(settings, f.name)
        if f.default is not dataclasses.MISSING and value == f.default:
            continue
        if f.default_factory is not dataclasses.MISSING and value == f.default_factory():
            continue
        values[f.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    nested = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return _without_defaults(value) if nested else value


def load_config(path: Path) -> FitConfig:
    """Read and check `config.json`; see `fit_config`."""
    return fit_config(read_json(path))


def fit_config(values: dict[str, Any]) -> FitConfig:
    """A checked configuration.

    Raises:
        RefusalError: unknown or missing field, wrong type, or a value that makes no sense.
    """
    config: FitConfig = build(FitConfig, values, "")
    check(config)
    return config
