"""Loading and making models: reward heads and language-model heads on transformers backbones."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.errors import RefusalError, out_of_memory
from training.fit.config import FitConfig, Scratch
from training.fit.heads.files import load_head
from training.fit.heads.modules import attach, attached
from training.fit.heads.settings import HeadSpec, read_spec
from training.fit.models.hub import base_folder

DROPOUT_FIELDS = (
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "classifier_dropout",
    "dropout",
    "embd_pdrop",
    "embedding_dropout",
    "hidden_dropout",
    "hidden_dropout_prob",
    "mlp_dropout",
    "resid_pdrop",
)
SAFE: dict[str, Any] = {
    "local_files_only": True,
    "trust_remote_code": False,
    "use_safetensors": True,
}


def device_for(choice: str) -> torch.device:
    """The device of a run.

    Raises:
        RefusalError: CUDA is asked for and absent.
    """
    if choice == "cuda" and not torch.cuda.is_available():
        raise RefusalError("`device` is cuda, but there is no CUDA device.", "Set it to auto.")
    use_cuda = choice != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use_cuda else "cpu")


def initial_model(config: FitConfig, tokenizer: Any, spec: HeadSpec | None = None) -> Any:
    """The model before its first step, the same for the same configuration and seed.

    Args:
        spec: the reward head that the run trains; by default the plain scalar.
    """
    spec = spec or HeadSpec()
    torch.manual_seed(config.seed)
    folder = base_folder(config.base)
    if folder is None:
        assert config.base.scratch is not None
        model = _from_scratch(config.base.scratch, config, tokenizer, spec)
    else:
        model = load_model(folder, config.kind, config.dropout, spec)
    _match_tokenizer(model, tokenizer, config)
    _freeze(model, config.freeze_layers)
    if config.head.adapt:
        _freeze_but_annotators(model)
    return model


def _freeze_but_annotators(model: Any) -> None:
    head = attached(model)
    assert head is not None
    model.requires_grad_(False)
    head.deviation.requires_grad_(True)


def load_model(
    path: Path, kind: str, dropout: float | None = None, spec: HeadSpec | None = None
) -> Any:
    """A model from a folder of safetensors in float32.

    A reward model that was saved as such keeps its head; any other base gets a new one with
    standard deviation 1 / sqrt(H + 1).

    Args:
        spec: the reward head wanted; by default the one the folder has.

    Raises:
        RefusalError: no folder, no safetensors, or an architecture without that head.
    """
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForSequenceClassification,
    )

    _refuse_other_folders(path)
    stored = read_spec(path) or HeadSpec()
    spec = spec or stored
    try:
        settings = AutoConfig.from_pretrained(path, **SAFE)
        new_head = kind == "reward" and not (
            stored.fits(spec) and _is_reward_model(settings, spec.outputs)
        )
        if kind == "reward":
            settings.num_labels = spec.outputs
        _set_dropout(settings, dropout)
        loader = AutoModelForSequenceClassification if kind == "reward" else AutoModelForCausalLM
        attention = _attention_kind(settings)
        model = loader.from_pretrained(
            path,
            config=settings,
            dtype=torch.float32,
            attn_implementation=attention,
            ignore_mismatched_sizes=new_head,
            **SAFE,
        )
    except Exception as error:  # of a folder that anybody may have put there: whatever is wrong
        if out_of_memory(error):
            raise
        raise RefusalError(
            f"{path.name} cannot be loaded as a {kind} model: {_short(error)}",
            "Choose a folder with safetensors of an architecture transformers knows.",
        ) from error
    if new_head:
        start_head(model)
    if kind == "reward":
        attach(model, spec)
        head = attached(model)
        if head is not None and not new_head and not stored.plain:
            load_head(head, path, stored)
    return model


def _refuse_other_folders(path: Path) -> None:
    if not (path / "config.json").is_file():
        raise RefusalError(f"There is no model in the folder {path.name}.", "Check the path.")
    if next(path.glob("*.safetensors"), None) is None:
        raise RefusalError(
            f"{path.name} holds no weights as safetensors.",
            "Pickled weights are never read: convert them with save_pretrained of transformers.",
        )
    if (path / "adapter_config.json").is_file():
        # It names a base of its own, anywhere: transformers would load that one instead.
        raise RefusalError(
            f"{path.name} holds adapters, not a whole model.",
            "Merge them into their base and save that.",
        )


def _is_reward_model(settings: Any, outputs: int) -> bool:
    names = getattr(settings, "architectures", None) or []
    classifies = any(name.endswith("ForSequenceClassification") for name in names)
    return classifies and settings.num_labels == outputs


def _attention_kind(settings: Any) -> str:
    """SDPA knows no soft-capped attention scores; eager does."""
    capped = getattr(settings, "attn_logit_softcapping", None)
    return "eager" if capped else "sdpa"


def _from_scratch(scratch: Scratch, config: FitConfig, tokenizer: Any, spec: HeadSpec) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    settings = AutoConfig.for_model(
        scratch.architecture,
        vocab_size=len(tokenizer),
        hidden_size=scratch.hidden_size,
        intermediate_size=4 * scratch.hidden_size,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.heads,
        num_key_value_heads=scratch.heads,
        head_dim=scratch.hidden_size // scratch.heads,
        max_position_embeddings=max(config.max_length + config.sample_tokens, 512),
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    _set_dropout(settings, config.dropout)
    if config.kind == "policy":
        return AutoModelForCausalLM.from_config(settings, attn_implementation="sdpa")
    settings.num_labels = spec.outputs
    model = AutoModelForSequenceClassification.from_config(settings, attn_implementation="sdpa")
    start_head(model)
    attach(model, spec)
    return model


def _set_dropout(settings: Any, dropout: float | None) -> None:
    if dropout is None:
        return
    for name in DROPOUT_FIELDS:
        if isinstance(getattr(settings, name, None), (int, float)):
            setattr(settings, name, dropout)
    if dropout == 0.0 and hasattr(settings, "classifier_dropout"):
        settings.classifier_dropout = 0.0


def head_of(model: Any) -> nn.Linear:
    """The last linear layer of a reward model: `score` of causal models, else the classifier's.

    Raises:
        RefusalError: the architecture has no linear head with as many outputs as labels.
    """
    outputs = model.config.num_labels
    linears = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == outputs]
    if not linears:
        raise RefusalError(
            f"{type(model).__name__} has no linear head with {outputs} outputs.",
            "Choose another base.",
        )
    return linears[-1]


def start_head(model: Any) -> None:
    """Draw a new reward head with standard deviation 1 / sqrt(H + 1) and bias 0."""
    head = head_of(model)
    nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1))
    if head.bias is not None:
        nn.init.zeros_(head.bias)


def _match_tokenizer(model: Any, tokenizer: Any, config: FitConfig) -> None:
    """Room for every token, a padding id for pooling, and positions for `max_length`."""
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))
    if model.config.pad_token_id is None or config.kind == "reward":
        model.config.pad_token_id = tokenizer.pad_token_id
    most = getattr(model.config, "max_position_embeddings", None)
    if most is not None and config.max_length > most:
        raise RefusalError(
            f"`max_length` is {config.max_length}, but the base model has {most} positions.",
            f"Set `max_length` to {most} or less.",
        )


def _freeze(model: Any, count: int) -> None:
    """Stop gradients of the embeddings and of the first `count` layers."""
    if not count:
        return
    layers = next((m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) > 1), None)
    if layers is None or count >= len(layers):
        raise RefusalError(
            f"`freeze_layers` is {count}, which leaves no layer to train.", "Choose fewer."
        )
    frozen = [model.get_input_embeddings(), *list(layers)[:count]]
    frozen += [m for m in model.modules() if type(m).__name__.endswith("Embeddings")]
    for module in frozen:
        module.requires_grad_(False)


def weights_hash(model: Any) -> str:
    """sha256 over names and bytes of all weights: the model's revision."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _short(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:300]
