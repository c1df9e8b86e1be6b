"""Random models so small that a forward pass takes milliseconds, and groups for them."""

from __future__ import annotations

import random
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
)

from training.batching.tokenise import TokenGroup
from training.fit.models.loading import start_head
from training.objectives.preference import Preference

VOCABULARY = 61
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CAUSAL: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {},
    "gemma": {},
    "gemma2": {"sliding_window": 4, "final_logit_softcapping": 5.0},
    "gemma3_text": {
        "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "mistral": {"sliding_window": 4},
}


def causal_model(architecture: str, kind: str = "policy", **options: Any) -> Any:
    """A random causal model of one architecture, with a language-model or a reward head."""
    torch.manual_seed(3)
    settings = AutoConfig.for_model(architecture, **(SIZES | CAUSAL[architecture] | options))
    attention = "eager" if architecture == "gemma2" else "sdpa"
    if kind == "policy":
        return AutoModelForCausalLM.from_config(settings, attn_implementation=attention).eval()
    settings.num_labels = 1
    model = AutoModelForSequenceClassification.from_config(settings, attn_implementation=attention)
    start_head(model)
    return model.eval()


def bert_model(**options: Any) -> Any:
    """A random bidirectional encoder with a reward head."""
    torch.manual_seed(3)
    sizes = {k: v for k, v in SIZES.items() if k not in ("num_key_value_heads", "head_dim")}
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    settings = AutoConfig.for_model("bert", **({"num_labels": 1} | sizes | off | options))
    model = AutoModelForSequenceClassification.from_config(settings)
    start_head(model)
    return model.eval()


def groups(sizes: tuple[int, ...] = (2, 3, 9, 2), seed: int = 0) -> list[TokenGroup]:
    """Random groups with K completions each, of unequal lengths and some of one token."""
    chance = random.Random(seed)

    def tokens(low: int, high: int) -> tuple[int, ...]:
        return tuple(chance.randrange(3, VOCABULARY) for _ in range(chance.randint(low, high)))

    return [
        TokenGroup(
            prompt=tokens(1, 12),
            completions=tuple(tokens(1, 9) for _ in range(count)),
            preference=Preference(tuple(float(k) for k in range(count))),
            prompt_hash=str(number),
        )
        for number, count in enumerate(sizes)
    ]
