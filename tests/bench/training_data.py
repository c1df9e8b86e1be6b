"""Real pairs and lists, a vocabulary of their own and random models, ready for both contestants.

Everything is tokenised once and lies in batches already, so that each contestant trains on the
same token ids in the same order and only the training itself is measured.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
from transformers.trainer_pt_utils import get_length_grouped_indices

from training.batching.rows import Row
from training.batching.tokenise import Encoder, Limits, TokenGroup
from training.fit.models.loading import start_head
from training.fit.models.tokenizer import train_tokenizer
from training.objectives.preference import Preference

NORM = Path(__file__).resolve().parents[3] / "shared" / "data" / "norm"
PAIRS, LISTS = NORM / "hh_rlhf.jsonl.gz", NORM / "arena_bench_v1_gpt4scores.jsonl.gz"
LIST_SIZE = 8
VOCABULARY = 8192
MODEL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}
# Nothing is cut: what is longer is left out, so that both contestants read the same tokens.
MOST_TOKENS = 512
# Lists are cut like in any run, at these limits.
LIST_LIMITS = Limits(384, 256)
LONG_PROMPT = 128


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one prompt and its completions, the best first."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]

    @property
    def group(self) -> TokenGroup:
        """The same as our trainer reads it."""
        ranks = tuple(float(-k) for k in range(len(self.completions)))
        return TokenGroup(self.prompt, self.completions, Preference(ranks))

    @property
    def tokens(self) -> int:
        """Tokens with the prompt counted once."""
        return len(self.prompt) + sum(map(len, self.completions))


def prepare(folder: Path, pairs: int, lists: int, batch: int, list_batch: int) -> dict[str, Any]:
    """Write tokenizer, models and batches into `folder`; returns what the data are like."""
    pair_rows, list_rows = read(PAIRS, 2), read(LISTS, LIST_SIZE)
    tokenizer = train_tokenizer(_texts(pair_rows[:4000] + list_rows), VOCABULARY)
    tokenizer.save_pretrained(folder / "tokenizer")
    _save_models(folder, tokenizer)
    found = _fitting(tokenizer, pair_rows, pairs)
    lengths = [len(e.prompt) + max(map(len, e.completions)) for e in found]
    generator = torch.Generator().manual_seed(0)
    # The order of transformers' own sampler for length grouping: best for the padded contestant.
    order = get_length_grouped_indices(lengths, batch, generator=generator)
    _write(folder / "pairs.json", [found[k] for k in order], batch)
    every = _lists(tokenizer, list_rows)
    ranked = [example for example in every if len(example.prompt) >= LONG_PROMPT][:lists]
    _write(folder / "lists.json", ranked, list_batch)
    # Lists are chosen by the length of their prompts: how usual that is, is part of the result.
    chosen = {"of": len(every), "gain": sum(describe([e])["bound"] >= 2 for e in every)}
    return {"pairs": describe(found), "lists": describe(ranked) | chosen}


def read(path: Path, size: int) -> list[Row]:
    """Rows of a file of ../shared/data with `size` completions, the best first."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        return [row for line in lines if (row := _row(json.loads(line), size)) is not None]


def _row(value: dict[str, Any], size: int) -> Row | None:
    ranking = (value["human"] or value["ai"])[0]["ranking"]
    if len(ranking) < size or len(set(ranking)) == 1:
        return None
    order = sorted(range(len(ranking)), key=lambda k: (ranking[k], k))[:size]
    texts = tuple(value["responses"][k]["text"] for k in order)
    prompt = value["prompt"]
    if isinstance(prompt, str):
        prompt = [{"role": "user", "content": prompt}]
    return Row(tuple(prompt), texts, Preference((0.0,) * size), value["id"], value["id"])


def _fitting(tokenizer: Any, rows: Sequence[Row], count: int) -> list[Example]:
    """The first pairs of rows spread over the file that need no cut and differ."""
    encoder = Encoder(tokenizer, Limits(10**6, 10**6))
    found: list[Example] = []
    for row in rows[:: max(len(rows) // (2 * count), 1)]:
        group = encoder.group(row)
        if group.longest <= MOST_TOKENS and len(set(group.completions)) > 1:
            found.append(Example(group.prompt, group.completions))
    return found[:count]


def _lists(tokenizer: Any, rows: Sequence[Row]) -> list[Example]:
    encoder = Encoder(tokenizer, LIST_LIMITS)
    groups = [encoder.group(row) for row in rows]
    return [Example(g.prompt, g.completions) for g in groups]


def _save_models(folder: Path, tokenizer: Any) -> None:
    torch.manual_seed(0)
    settings = AutoConfig.for_model(
        "llama",
        **MODEL | {"vocab_size": len(tokenizer)},
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    AutoModelForCausalLM.from_config(settings).save_pretrained(folder / "policy")
    settings.num_labels = 1
    reward = AutoModelForSequenceClassification.from_config(settings)
    start_head(reward)
    reward.save_pretrained(folder / "reward")


def _write(path: Path, examples: Sequence[Example], batch: int) -> None:
    whole = len(examples) - len(examples) % batch
    batches = [[asdict(e) for e in examples[k : k + batch]] for k in range(0, whole, batch)]
    path.write_text(json.dumps(batches))


def batches_of(path: Path) -> list[list[Example]]:
    """The batches of a file that `prepare` wrote."""
    return [
        [Example(tuple(e["prompt"]), tuple(map(tuple, e["completions"]))) for e in batch]
        for batch in json.loads(path.read_text())
    ]


def describe(examples: Sequence[Example]) -> dict[str, float]:
    """Mean prompt P and completion R in tokens, and how many times the tokens pairs need.

    `bound` is that of K - 1 pairs best against rest beside one list: 7(P+2R)/(P+8R).
    """
    prompt = sum(len(e.prompt) for e in examples) / len(examples)
    answers = sum(sum(map(len, e.completions)) for e in examples)
    answer = answers / sum(len(e.completions) for e in examples)
    bound = (LIST_SIZE - 1) * (prompt + 2 * answer) / (prompt + LIST_SIZE * answer)
    return {"count": len(examples), "prompt": prompt, "completion": answer, "bound": bound}


def _texts(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        yield from (message["content"] for message in row.prompt)
        yield from row.completions
