"""Two models on the same pairs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from training.batching.rows import read_rows
from training.fit.figures.intervals import clustered_interval, wins
from training.fit.figures.metrics import FEW_PROMPTS, Outcome, decided_pairs


def kept_outcomes(data: Path, outcomes: Path) -> list[Outcome]:
    """What `evaluate` left in `outcomes.parquet` of the labelled rows in `data`.

    Every row has one prompt, as those of a probe do.
    """
    rows = read_rows(data)
    table = pq.read_table(outcomes).to_pylist()
    return [
        Outcome(row.preference, row.prompt_hash, tuple(said["scores"]), tuple(said["tokens"]))
        for row, said in zip(rows, table, strict=True)
    ]


def difference(
    ours: Sequence[Outcome], theirs: Sequence[Outcome], seen: Collection[str] = ()
) -> dict[str, Any]:
    """Accuracy of one model less that of another, pair by pair, with its interval over prompts.

    Args:
        seen: prompts that one of the two was trained on; they take no part.
    """
    kept = [k for k, outcome in enumerate(ours) if outcome.prompt_hash not in seen]
    first, second = (decided_pairs([side[k] for k in kept]) for side in (ours, theirs))
    figures: dict[str, Any] = {
        "pairs": len(first.difference),
        "prompts": len(np.unique(first.cluster)),
        "prompts_left_out": len({o.prompt_hash for o in ours if o.prompt_hash in seen}),
    }
    if not figures["pairs"]:
        return figures
    gain = wins(first.difference) - wins(second.difference)
    figures |= {
        "accuracy": float(wins(first.difference).mean()),
        "accuracy_of_other": float(wins(second.difference).mean()),
        "difference": float(gain.mean()),
        "interval": list(clustered_interval(gain, first.cluster)),
    }
    if figures["prompts"] < FEW_PROMPTS:
        figures["warning"] = "few prompts"
    return figures
