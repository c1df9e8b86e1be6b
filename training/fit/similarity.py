"""The command `similarity`: embeddings of texts, and the BERTScore of pairs of them.

BERTScore (Zhang et al. 2020) of two texts with token vectors a_i and b_j of unit length:

    R = mean_i max_j a_i·b_j,    P = mean_j max_i a_i·b_j,    F1 = 2·P·R / (P + R).

The vectors are the encoder's last hidden states, each in the context of its whole text; only
tokens from `start` on count, special ones do not. No weights by rarity, no rescaling. Two texts
without a token score 1, one without a token 0, and so does P + R ≤ 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from training.batching.plan import sorted_batches
from training.errors import RefusalError
from training.fit import events
from training.fit.embed import hidden_states, included_encoder, load_encoder, pooled
from training.fit.files import replace_file
from training.fit.models.loading import device_for
from training.fit.models.tokenizer import load_tokenizer
from training.fit.reading import read_json
from training.fit.settings import SimilarityConfig, settings

# Texts whose token vectors are made together: they are sorted by length in between.
WINDOW = 512
Pair = tuple[int, int]


def run(workdir: Path) -> dict[str, Any]:
    """Write `similarity.safetensors`: `embeddings` (n, d) float32, `bertscore_f1` (pairs,)."""
    config: SimilarityConfig = settings(SimilarityConfig, read_json(workdir / "config.json"))
    texts, starts = _texts(Path(config.data))
    pairs = [(int(first), int(second)) for first, second in config.pairs]
    if any(not 0 <= row < len(texts) for pair in pairs for row in pair):
        raise RefusalError("A pair names a row that the data lacks.", "Write the pairs again.")
    folder = Path(config.encoder) if config.encoder else included_encoder()
    reader = Reader(
        load_encoder(folder).to(device_for(config.device)).eval(),
        _tokenizer(folder),
        max_length=config.max_length,
        batch_tokens=config.batch_tokens,
    )
    total = max(config.total, config.offset + len(texts))
    vectors, scores = compare(reader, texts, starts, pairs, offset=config.offset, total=total)
    tensors = {"embeddings": vectors, "bertscore_f1": scores}
    replace_file(workdir / "similarity.safetensors", lambda path: save_file(tensors, path))
    return {
        "texts": len(texts),
        "pairs": len(pairs),
        "dimensions": vectors.shape[1],
        "texts_truncated": reader.truncated,
        "file": "similarity.safetensors",
    }


@dataclass
class Reader:
    """An encoder, its fast tokenizer, and how much it reads at once."""

    model: Any
    tokenizer: Any
    max_length: int
    batch_tokens: int
    truncated: int = field(default=0, init=False)

    @torch.no_grad()
    def read(self, texts: Sequence[str], starts: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """(n, d) embeddings, and for each text the unit vectors of its tokens from `start` on."""
        ids, kept = self._tokens(texts, starts)
        vectors = torch.empty(len(texts), self.model.config.hidden_size)
        tokens: list[Tensor] = [torch.empty(0)] * len(texts)
        for batch in sorted_batches([len(each) for each in ids], self.batch_tokens):
            states, mask = hidden_states(self.model, self.tokenizer, [ids[k] for k in batch])
            vectors[batch] = pooled(states, mask)
            unit = torch.nn.functional.normalize(states, dim=2)
            for place, k in enumerate(batch):
                # Half as large, and far more exact than a bin of the feature is wide.
                tokens[k] = unit[place, : len(ids[k])][kept[k]].half().cpu()
        return vectors, tokens

    def _tokens(
        self, texts: Sequence[str], starts: Sequence[int]
    ) -> tuple[list[list[int]], list[Tensor]]:
        limit = min(
            self.max_length, getattr(self.model.config, "max_position_embeddings", self.max_length)
        )
        found = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=limit,
            return_offsets_mapping=True,
        )
        spans = list(zip(starts, found["offset_mapping"], strict=True))
        kept = [
            # A special token stands nowhere: it begins where it ends.
            torch.tensor([start <= begin < end for begin, end in offsets], dtype=torch.bool)
            for start, offsets in spans
        ]
        ids: list[list[int]] = found["input_ids"]
        for text, (_, offsets) in zip(texts, spans, strict=True):
            read_until = max((end for _, end in offsets), default=0)
            self.truncated += read_until < len(text.rstrip())
        return ids, kept


def compare(
    reader: Reader,
    texts: Sequence[str],
    starts: Sequence[int],
    pairs: Sequence[Pair],
    *,
    offset: int = 0,
    total: int = 0,
) -> tuple[Tensor, Tensor]:
    """(n, d) embeddings and (pairs,) BERTScore F1. Each text is encoded once.

    Token vectors are held from a text's window to the last pair that needs them, so pairs of
    texts that stand close together need little memory.
    """
    scores = torch.empty(len(pairs))
    due: dict[int, list[int]] = {}
    until: dict[int, int] = {}
    for number, pair in enumerate(pairs):
        window = max(pair) // WINDOW
        due.setdefault(window, []).append(number)
        for row in pair:
            until[row] = max(until.get(row, 0), window)
    held: dict[int, Tensor] = {}
    found: list[Tensor] = []
    for window, begin in enumerate(range(0, len(texts), WINDOW)):
        end = min(begin + WINDOW, len(texts))
        vectors, tokens = reader.read(texts[begin:end], starts[begin:end])
        found.append(vectors)
        held |= {begin + k: each for k, each in enumerate(tokens) if begin + k in until}
        for number in due.get(window, ()):
            first, second = pairs[number]
            scores[number] = bertscore_f1(held[first].float(), held[second].float())
        held = {row: each for row, each in held.items() if until[row] > window}
        events.progress(offset + end, total, "texts compared")
        if events.stop_wanted():
            raise events.StoppedError(end)
    return torch.cat(found), scores


def bertscore_f1(a: Tensor, b: Tensor) -> float:
    """F1 of token vectors (m, d) and (n, d) of unit length, as the module says."""
    if not len(a) or not len(b):
        return float(len(a) == len(b))
    alike = a @ b.T
    recall, precision = float(alike.amax(1).mean()), float(alike.amax(0).mean())
    both = precision + recall
    return 2 * precision * recall / both if both > 0 else 0.0


def _tokenizer(folder: Path) -> Any:
    tokenizer = load_tokenizer(folder)
    if not tokenizer.is_fast:
        raise RefusalError(
            f"The tokenizer of {folder.name} does not tell where its tokens stand.",
            "Choose an encoder with a tokenizer.json.",
        )
    return tokenizer


def _texts(path: Path) -> tuple[list[str], list[int]]:
    if not path.is_file():
        raise RefusalError(f"There is no data file {path.name}.", "Check `data`.")
    table = pq.read_table(path)
    if not {"text", "start"} <= set(table.column_names):
        raise RefusalError(f"{path.name} needs the columns text and start.", "Write it again.")
    if table.num_rows == 0:
        raise RefusalError(f"{path.name} has no rows.", "Choose texts to compare.")
    return [t or "" for t in table["text"].to_pylist()], table["start"].to_pylist()
