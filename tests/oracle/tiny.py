"""A random Llama, its reference, a word tokenizer and a few rows, as TRL's trainers want them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.batching.tokenise import TokenGroup
from training.fit.scoring.backbone import Backbone
from training.fit.scoring.policy import PolicyScorer
from training.objectives.core import comparisons, total_loss
from training.objectives.preference import Preference
from training.objectives.presets import resolve
from training.objectives.signals import Signals

WORDS = (
    *("red", "green", "blue", "one", "two", "three", "four"),
    *("sun", "moon", "star", "tree", "leaf", "yes", "no", "maybe"),
)
FIRST = Preference((1.0, 0.0))
PAIRS = [
    ("red one two", " sun moon", " yes no maybe tree"),
    ("green", " star leaf one three", " no"),
    ("blue two moon four", " maybe", " leaf yes sun one two"),
    ("one tree", " moon moon star", " red green blue"),
]
OFF: dict[str, Any] = {
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": [],
    "per_device_train_batch_size": len(PAIRS),
    "remove_unused_columns": False,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """One token per word; spaces belong to nobody."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    names = ["<pad>", "<eos>", "<unk>", *WORDS]
    vocabulary = {name: number for number, name in enumerate(names)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


def settings(**more: Any) -> LlamaConfig:
    """A model of two small layers over our words, with weights far from zero."""
    return LlamaConfig(
        vocab_size=len(WORDS) + 3,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        pad_token_id=0,
        eos_token_id=1,
        initializer_range=0.4,
        **more,
    )


def model(seed: int) -> Any:
    """A random causal model whose distributions are far from flat."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(settings()).eval()


def arguments(folder: Path, **more: Any) -> dict[str, Any]:
    """Arguments of any TRL configuration that keep it on this machine and silent."""
    return {"output_dir": str(folder), **OFF, **more}


def sides(batch: dict[str, Any], ids: str, mask: str, scored: str) -> list[tuple[Any, Any]]:
    """(prompt ids, completion ids) of each row of a TRL batch."""
    found = []
    rows = zip(batch[ids].tolist(), batch[mask].tolist(), batch[scored].tolist(), strict=True)
    for row, present, completion in rows:
        prompt = [t for t, m, c in zip(row, present, completion, strict=True) if m and not c]
        answer = [t for t, m, c in zip(row, present, completion, strict=True) if m and c]
        found.append((tuple(prompt), tuple(answer)))
    return found


def grouped(rows: list[tuple[Any, Any]], parts: int, preference: Preference) -> list[TokenGroup]:
    """Groups of rows that TRL keeps as [all first sides, all second sides, …]."""
    count = len(rows) // parts
    groups = []
    for k in range(count):
        members = [rows[k + part * count] for part in range(parts)]
        assert len({prompt for prompt, _ in members}) == 1
        groups.append(TokenGroup(members[0][0], tuple(c for _, c in members), preference))
    return groups


def ours(
    policy: Any, reference: Any, groups: list[TokenGroup], name: str, options: dict[str, Any]
) -> float:
    """Our mean loss of the groups in one micro-batch."""
    objective = resolve("policy", name, options)
    signals = read(policy, reference, groups, objective.reads)
    labels = comparisons([g.preference for g in groups], objective, dtype=torch.float64)
    return float(total_loss(signals, labels, objective)) / len(groups)


@torch.no_grad()
def read(policy: Any, reference: Any, groups: list[TokenGroup], reads: frozenset[str]) -> Signals:
    """Signals of both models."""
    found = PolicyScorer(Backbone(policy), reads).signals(groups)
    theirs = PolicyScorer(Backbone(reference), reads).signals(groups)
    return dataclasses.replace(
        found, reference_logp=theirs.logp, reference_token_logp=theirs.token_logp
    )
