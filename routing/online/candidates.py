"""Candidates of a round on disk: prompts, their answers and what a reward model says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.fit.files import replace_file


@dataclass(frozen=True)
class Candidates:
    """Answers to one prompt; `rewards` is None where no reward model was asked."""

    prompt_hash: str
    messages: list[dict[str, Any]]
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    rewards: tuple[float, ...] | None


def write(path: Path, rows: list[Candidates]) -> None:
    """Write all candidates of a round at once."""
    table = pa.table(
        {
            "prompt_hash": [row.prompt_hash for row in rows],
            "prompt": [json.dumps(row.messages) for row in rows],
            "completions": [list(row.texts) for row in rows],
            "tokens": [list(row.tokens) for row in rows],
            "rewards": pa.array(
                [None if row.rewards is None else list(row.rewards) for row in rows],
                type=pa.list_(pa.float64()),
            ),
        }
    )
    replace_file(path, lambda target: pq.write_table(table, target))


def read(path: Path) -> list[Candidates]:
    """What `write` wrote."""
    return [
        Candidates(
            row["prompt_hash"],
            json.loads(row["prompt"]),
            tuple(row["completions"]),
            tuple(row["tokens"]),
            None if row["rewards"] is None else tuple(row["rewards"]),
        )
        for row in pq.read_table(path).to_pylist()
    ]
