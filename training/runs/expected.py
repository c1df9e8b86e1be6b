"""About how many steps a run will take, guessed from the lengths of some of its rows."""

import math
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

# Characters of a token: about 4 of English text in a usual vocabulary, fewer in a small one.
CHARACTERS = 4.0
SMALL_VOCABULARY, SMALL_CHARACTERS = 8192, 3.0
LOOKED_AT = 500


def expected_steps(config: dict[str, Any], rows: int) -> int:
    """Optimiser steps of a complete configuration on `rows` rows; a guess from their characters.

    Steps of the language warm-up are counted too.
    """
    warmup = int(config["sft_warmup_steps"])
    if config["steps"] is not None:
        return warmup + int(config["steps"])
    step = int(config["token_budget"]) * int(config["accumulate"]) * int(config["processes"])
    tokens = rows * mean_tokens(config) * float(config["epochs"])
    return warmup + max(math.ceil(tokens / step), 1)


def mean_tokens(config: dict[str, Any]) -> float:
    """Tokens of a row that stay within the limits of the configuration, on average."""
    scratch = config["base"].get("scratch") or {}
    small = scratch.get("vocab_size", math.inf) <= SMALL_VOCABULARY
    characters = SMALL_CHARACTERS if small else CHARACTERS
    longest = int(config["max_length"])
    prompt_most = int(config["max_prompt_length"] or longest // 2)
    found = []
    for row in _some(Path(config["data"]["train"])):
        prompt = min(len(row["prompt"]) / characters, prompt_most)
        found.append(
            prompt
            + sum(min(len(text) / characters, longest - prompt) for text in row["completions"])
        )
    return sum(found) / len(found) if found else 0.0


def _some(path: Path) -> list[dict[str, Any]]:
    batches = pq.ParquetFile(path).iter_batches(LOOKED_AT, columns=["prompt", "completions"])
    return [row for batch in islice(batches, 1) for row in batch.to_pylist()]
