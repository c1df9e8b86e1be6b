"""Continuations of prompts by a policy, and the command `generate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from training.batching.rows import read_rows
from training.batching.tokenise import Encoder, Limits
from training.fit import events
from training.fit.files import replace_file
from training.fit.models.loading import device_for, load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.reading import read_json
from training.fit.settings import GenerateConfig, settings


@torch.no_grad()
def continuations(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[list[int]]:
    """Token ids after each prompt, the end token included where it was reached.

    Args:
        temperature: 0 takes the most probable token; above 0 draws, repeatably for a seed.
    """
    training = model.training
    model.eval()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    drawing = {"do_sample": True, "temperature": temperature} if temperature > 0 else {}
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    output = model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=max_new_tokens,
        pad_token_id=pad,
        eos_token_id=tokenizer.eos_token_id,
        top_k=0 if temperature > 0 else None,
        top_p=1.0 if temperature > 0 else None,
        **({"do_sample": False} | drawing),
    )
    torch.set_rng_state(state)
    model.train(training)
    return [_until_end(row, tokenizer.eos_token_id) for row in output[:, width:].tolist()]


def _until_end(ids: list[int], end: int | None) -> list[int]:
    return ids[: ids.index(end) + 1] if end in ids else ids


def run(workdir: Path) -> dict[str, Any]:
    """Continue the prompts of `data` and write `generations.parquet`.

    Columns: instance_id, prompt (JSON messages), completion, tokens, finished.
    """
    config: GenerateConfig = settings(GenerateConfig, read_json(workdir / "config.json"))
    device = device_for(config.device)
    tokenizer = load_tokenizer(Path(config.model))
    model = load_model(Path(config.model), "policy").to(device)
    rows = read_rows(Path(config.data), "prompts")
    encoder = Encoder(tokenizer, Limits(config.max_prompt_length + 1, config.max_prompt_length))
    prompts = [encoder.prompt_ids(row.prompt) for row in rows]
    found: dict[int, list[int]] = {}
    order = sorted(range(len(prompts)), key=lambda k: -len(prompts[k]))
    for start in range(0, len(order), config.batch_prompts):
        batch = order[start : start + config.batch_prompts]
        texts = continuations(
            model,
            tokenizer,
            [prompts[k] for k in batch],
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            seed=config.seed + start,
        )
        found |= dict(zip(batch, texts, strict=True))
        events.progress(len(found), len(rows), "prompts continued")
        if events.stop_wanted():
            raise events.StoppedError(len(found))
    table = _table(rows, [found[k] for k in range(len(rows))], tokenizer)
    replace_file(workdir / "generations.parquet", lambda path: pq.write_table(table, path))
    return {
        "prompts": len(rows),
        "prompts_truncated": encoder.counts.prompts_truncated,
        "file": "generations.parquet",
    }


def _table(rows: Sequence[Any], ids: Sequence[Sequence[int]], tokenizer: Any) -> pa.Table:
    end = tokenizer.eos_token_id
    return pa.table(
        {
            "instance_id": [row.instance_id for row in rows],
            "prompt": [json.dumps(list(row.prompt)) for row in rows],
            "completion": [tokenizer.decode(i, skip_special_tokens=True) for i in ids],
            "tokens": [len(i) for i in ids],
            "finished": [bool(i) and i[-1] == end for i in ids],
        }
    )
