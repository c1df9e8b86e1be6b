"""The command `score`: rewards of completions under a saved reward model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.batching.plan import sorted_batches
from training.batching.rows import Need, Row, read_rows, with_one_prompt
from training.batching.tokenise import Encoder, Limits, encode_all
from training.errors import RefusalError
from training.fit import events
from training.fit.files import replace_file
from training.fit.metrics import Outcome, numbers_only
from training.fit.models import device_for, load_model
from training.fit.reading import read_json
from training.fit.reward_scorer import is_causal
from training.fit.scorers import make_scorer
from training.fit.settings import ScoreConfig, settings
from training.fit.tokenizer import load_tokenizer
from training.fit.verdicts import rewards_of


def run(workdir: Path) -> dict[str, Any]:
    """Write `scores.parquet`: instance_id, prompt_hash, rewards (list), tokens (list)."""
    config: ScoreConfig = settings(ScoreConfig, read_json(workdir / "config.json"))
    rows, outcomes, counts = scored(config, "completions")
    table = pa.table(
        {
            "instance_id": [row.instance_id for row in rows],
            "prompt_hash": [row.prompt_hash for row in rows],
            "rewards": [list(outcome.scores) for outcome in outcomes],
            "tokens": [list(outcome.tokens) for outcome in outcomes],
        }
    )
    replace_file(workdir / "scores.parquet", lambda path: pq.write_table(table, path))
    return {"rows": len(rows), "counts": counts, "file": "scores.parquet"}


def scored(config: ScoreConfig, need: Need) -> tuple[list[Row], list[Outcome], dict[str, int]]:
    """Rows of the data with their rewards, in file order, and what was cut or left out.

    Raises:
        RefusalError: no row has one prompt, or a reward is not a finite number.
    """
    rows, left = with_one_prompt(read_rows(Path(config.data), need))
    if not rows:
        raise RefusalError(
            "Every row has answers to different prompts: a score needs one prompt per row.",
            "Score rows whose completions answer the same prompt.",
        )
    tokenizer = load_tokenizer(Path(config.model))
    model = load_model(Path(config.model), "reward").to(device_for(config.device)).eval()
    scorer = make_scorer(model, "reward", tokenizer, layout="auto", precision="fp32")
    limits = Limits(config.max_length, config.prompt_limit)
    encoder = Encoder(tokenizer, limits, is_causal(model))
    groups = encode_all(encoder, rows, None)
    found: dict[int, Outcome] = {}
    for batch in sorted_batches([scorer.cost(group) for group in groups], config.token_budget):
        rewards = rewards_of(scorer, [groups[k] for k in batch])
        for k, (values, tokens) in zip(batch, rewards, strict=True):
            found[k] = _outcome(rows[k], values, tokens)
        events.progress(len(found), len(rows), "rows scored")
        if events.stop_wanted():
            raise events.StoppedError(len(found))
    outcomes = numbers_only([found[k] for k in range(len(rows))])
    return rows, outcomes, encoder.counts.as_dict() | {"dropped_own_prompts": left}


def _outcome(row: Row, rewards: Sequence[float], tokens: Sequence[int]) -> Outcome:
    return Outcome(row.preference, row.prompt_hash, tuple(rewards), tuple(tokens))
