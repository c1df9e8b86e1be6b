"""Configuration of a fit: typed, frozen, and refused with the field and the remedy."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from training.errors import RefusalError
from training.objectives.presets import Objective, resolve

# No setting is sensible beyond it, and counters of the data base and of torch are this wide.
LARGEST = 2**31 - 1


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
    """Where the model starts: a folder with safetensors, or random weights."""

    path: str | None = None
    scratch: Scratch | None = None


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
    """Low-rank adapters; they are merged into the saved model."""

    r: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: str = "all-linear"


@dataclass(frozen=True, slots=True)
class FitConfig:
    """One training run. Lengths and budgets are in tokens.

    Attributes:
        steps: optimiser steps; None means `epochs` passes over the data.
        token_budget: tokens of one micro-batch; `accumulate` micro-batches make one step.
        warmup: steps, or a share of all steps when under 1, of linear learning-rate warm-up.
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
    preset_options: dict[str, Any] = field(default_factory=dict)
    tokenizer: Tokenizer = Tokenizer()
    max_length: int = 512
    max_prompt_length: int | None = None
    epochs: float = 1.0
    steps: int | None = None
    learning_rate: float = 1e-4
    warmup: float = 0.05
    schedule: Literal["constant", "linear", "cosine"] = "cosine"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    token_budget: int = 2048
    accumulate: int = 1
    seed: int = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    checkpoint_every: int = 50
    eval_every: int = 0
    lora: Lora | None = None
    sft_warmup_steps: int = 0
    sft_learning_rate: float | None = None
    dropout: float | None = 0.0
    freeze_layers: int = 0
    keep: Literal["best", "last"] = "best"
    reference_cache: str | None = None
    layout: Literal["auto", "shared", "plain"] = "auto"
    sample_prompts: int = 3
    sample_tokens: int = 48
    threads: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = 1
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
        """sha256 of everything that decides the result."""
        values = dataclasses.asdict(self)
        for name in ("checkpoint_every", "notes", "threads", "reference_cache"):
            values.pop(name)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


_POSITIVE = (
    "max_length",
    "learning_rate",
    "max_grad_norm",
    "token_budget",
    "accumulate",
    "checkpoint_every",
    "epochs",
    "sample_tokens",
    "processes",
)
_NOT_NEGATIVE = (
    "warmup",
    "weight_decay",
    "eval_every",
    "sft_warmup_steps",
    "freeze_layers",
    "sample_prompts",
    "seed",
)


def load_config(path: Path) -> FitConfig:
    """Read and check `config.json`; see `fit_config`."""
    return fit_config(read_json(path))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        RefusalError: no file, no JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise RefusalError(
            f"There is no {path.name} in the work folder.", "Write the configuration there first."
        ) from error
    except ValueError as error:
        raise RefusalError(f"{path.name} is not JSON: {error}", "Mend the file.") from error
    if not isinstance(value, dict):
        raise RefusalError(f"{path.name} is not a JSON object.", "Mend the file.")
    return value


def fit_config(values: dict[str, Any]) -> FitConfig:
    """A checked configuration.

    Raises:
        RefusalError: unknown or missing field, wrong type, or a value that makes no sense.
    """
    config: FitConfig = build(FitConfig, values, "")
    for name in _POSITIVE:
        _require(getattr(config, name) > 0, name, getattr(config, name), "above 0")
    for name in _NOT_NEGATIVE:
        _require(getattr(config, name) >= 0, name, getattr(config, name), "0 or more")
    _check_lengths(config)
    _check_base(config)
    _check_objective(config)
    return config


def _check_lengths(config: FitConfig) -> None:
    if config.prompt_limit >= config.max_length:
        raise RefusalError(
            f"`max_prompt_length` is {config.prompt_limit}, which leaves no room for a completion"
            f" in `max_length` {config.max_length}.",
            "Make `max_prompt_length` smaller than `max_length`.",
        )
    _require(config.steps is None or config.steps > 0, "steps", config.steps, "above 0 or null")


def _check_base(config: FitConfig) -> None:
    if (config.base.path is None) == (config.base.scratch is None):
        raise RefusalError(
            "`base` must name exactly one of `path` and `scratch`.",
            "Give a model folder, or the size of a model to start from random weights.",
        )
    scratch = config.base.scratch
    if scratch is None:
        return
    for name in ("hidden_size", "layers", "heads", "vocab_size"):
        _require(getattr(scratch, name) > 0, f"base.scratch.{name}", 0, "above 0")
    if scratch.hidden_size % (2 * scratch.heads):
        raise RefusalError(
            f"`base.scratch.hidden_size` {scratch.hidden_size} cannot be split into"
            f" {scratch.heads} heads of even width.",
            "Choose a multiple of twice the number of heads.",
        )
    if config.lora is not None:
        raise RefusalError(
            "`lora` needs a trained base model.", "Set `base.path`, or set `lora` to null."
        )
    if config.tokenizer.path is None and not config.tokenizer.train_on_data:
        raise RefusalError(
            "A model from random weights needs a tokenizer.",
            "Set `tokenizer.train_on_data` to true, or set `tokenizer.path`.",
        )


def _check_objective(config: FitConfig) -> None:
    objective = config.objective
    if config.sft_warmup_steps and config.kind == "reward":
        raise RefusalError("`sft_warmup_steps` is for policies.", "Set it to 0 for a reward model.")
    if objective.needs_reference and config.dropout != 0.0:
        raise RefusalError(
            f"The preset {config.preset} compares with a reference, so `dropout` must be 0.",
            "Set `dropout` to 0.",
        )


def _require(condition: bool, name: str, value: object, need: str) -> None:
    if not condition:
        raise RefusalError(f"`{name}` is {value}.", f"Set it to a number {need}.")


def build(kind: Any, values: Any, path: str) -> Any:
    """An instance of the dataclass `kind` from JSON values, checked field by field.

    Raises:
        RefusalError: naming the field by its path.
    """
    if not isinstance(values, dict):
        raise RefusalError(f"`{path}` must be an object.", "Write it with braces.")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        if name not in fields:
            raise RefusalError(
                f"`{path}{name}` is not a setting.", f"The settings are: {', '.join(fields)}."
            )
    for name, f in fields.items():
        needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise RefusalError(f"`{path}{name}` is missing.", f"Add `{path}{name}`.")
    return kind(**{n: _value(hints[n], v, f"{path}{n}") for n, v in values.items()})


def _value(hint: Any, value: Any, path: str) -> Any:
    if isinstance(hint, types.UnionType):
        inner = [part for part in typing.get_args(hint) if part is not type(None)]
        return None if value is None else _value(inner[0], value, path)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, f"{path}.")
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise RefusalError(
                f"`{path}` is {value!r}.", f"Set it to one of: {', '.join(map(str, choices))}."
            )
        return value
    expected = typing.get_origin(hint) or hint
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if expected is int and isinstance(value, int) and abs(value) > LARGEST:
        raise RefusalError(f"`{path}` is {value}.", f"Set it to at most {LARGEST}.")
    if not isinstance(value, expected) or (expected is not bool and isinstance(value, bool)):
        raise RefusalError(f"`{path}` is {value!r}.", f"It must be of type {expected.__name__}.")
    return value
