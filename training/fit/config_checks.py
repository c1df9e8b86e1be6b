"""What a configuration of a fit must keep to beyond the types of its fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from training.errors import RefusalError
from training.fit.heads.settings import Head, check_head, check_head_meets

if TYPE_CHECKING:
    from training.fit.config import FitConfig

# They share one machine; no machine has more GPUs.
MOST_PROCESSES = 64
_COMMIT = re.compile("[0-9a-f]{40}")
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
    "early_stop",
    "early_stop_delta",
    "sft_warmup_steps",
    "freeze_layers",
    "sample_prompts",
    "seed",
)


def check(config: FitConfig) -> None:
    """Nothing, where the values make sense together.

    Raises:
        RefusalError: naming the field and the remedy.
    """
    for name in _POSITIVE:
        _require(getattr(config, name) > 0, name, getattr(config, name), "above 0")
    for name in _NOT_NEGATIVE:
        _require(getattr(config, name) >= 0, name, getattr(config, name), "0 or more")
    if config.processes > MOST_PROCESSES:
        raise RefusalError(
            f"`processes` is {config.processes}.",
            f"Set it to at most {MOST_PROCESSES}: one for each GPU of the machine.",
        )
    _check_lengths(config)
    _check_base(config)
    _check_objective(config)
    _check_optimiser(config)
    _check_reference(config)
    _check_head(config)


def _check_lengths(config: FitConfig) -> None:
    if config.prompt_limit >= config.max_length:
        raise RefusalError(
            f"`max_prompt_length` is {config.prompt_limit}, which leaves no room for a completion"
            f" in `max_length` {config.max_length}.",
            "Make `max_prompt_length` smaller than `max_length`.",
        )
    _require(config.steps is None or config.steps > 0, "steps", config.steps, "above 0 or null")


def _check_base(config: FitConfig) -> None:
    base = config.base
    if sum(value is not None for value in (base.path, base.scratch, base.hub)) != 1:
        raise RefusalError(
            "`base` must name exactly one of `path`, `scratch` and `hub`.",
            "Give a model folder, the size of a model to start from random weights, or the"
            " organisation/name of a hub model.",
        )
    if base.hub is not None and not _COMMIT.fullmatch(base.revision or ""):
        raise RefusalError(
            f"`base.revision` is {base.revision!r}: a hub model is named with its commit.",
            "Set it to the 40 hexadecimal digits of the commit.",
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


def _check_optimiser(config: FitConfig) -> None:
    for name in ("beta1", "beta2"):
        value = getattr(config.optimiser, name)
        _require(0 <= value < 1, f"optimiser.{name}", value, "from 0 to below 1")
    _require(config.optimiser.eps > 0, "optimiser.eps", config.optimiser.eps, "above 0")
    _require(0 < config.decay <= 1, "decay", config.decay, "above 0, at most 1")
    if config.early_stop and config.data.eval is None:
        raise RefusalError(
            "`early_stop` looks at held-out data, and there is none.",
            "Set `data.eval`, or set `early_stop` to 0.",
        )


def _check_reference(config: FitConfig) -> None:
    for number, reference in enumerate(config.reference):
        name = f"reference[{number}].weight"
        _require(reference.weight > 0, name, reference.weight, "above 0")
    if config.reference and "token_kl" in config.objective.reads:
        raise RefusalError(
            f"The preset {config.preset} compares whole distributions with the base only.",
            "Leave out `reference`.",
        )
    if config.reference and not config.objective.needs_reference:
        raise RefusalError(
            f"The preset {config.preset} compares with no reference.", "Leave out `reference`."
        )
    if len(config.reference) > 1 and "token_kl" in config.objective.reads:
        raise RefusalError(
            f"The preset {config.preset} reads the distribution of one reference.",
            "Name one `reference`.",
        )


def _check_head(config: FitConfig) -> None:
    if config.kind == "policy" and config.head != Head():
        raise RefusalError("`head` is for reward models.", "Leave it out for a policy.")
    check_head(config.head)
    if config.kind == "reward":
        check_head_meets(config.head, config.objective)
    if config.head.adapt and config.lora is not None:
        raise RefusalError(
            "`head.adapt` trains vectors of annotators alone, `lora` would train more.",
            "Set `lora` to null.",
        )


def _require(condition: bool, name: str, value: object, need: str) -> None:
    if not condition:
        raise RefusalError(f"`{name}` is {value}.", f"Set it to a number {need}.")
