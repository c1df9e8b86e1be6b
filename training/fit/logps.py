"""The command `logps`: log-probabilities of completions under a policy and its reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.batching.plan import sorted_batches
from training.batching.rows import Row, read_rows
from training.batching.tokenise import Encoder, Limits, encode_all
from training.fit import events
from training.fit.files import replace_file
from training.fit.models.loading import device_for, load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.reading import read_json
from training.fit.scoring.scorers import make_scorer
from training.fit.settings import LogpsConfig, settings
from training.fit.verdicts import said_of

SCHEMA = pa.schema(
    {
        "instance_id": pa.string(),
        "logp": pa.list_(pa.float64()),
        "reference": pa.list_(pa.float64()),
        "tokens": pa.list_(pa.int64()),
    }
)


def run(workdir: Path) -> dict[str, Any]:
    """Write `logps.parquet`, a row per prompt with a list entry per completion.

    Its columns are instance_id, logp (sums in nats), reference (null without one) and tokens.

    Raises:
        RefusalError: a model cannot be loaded, or the rows cannot be read.
    """
    config: LogpsConfig = settings(LogpsConfig, read_json(workdir / "config.json"))
    rows = read_rows(Path(config.data), "completions")
    models = [config.model, *([config.reference] if config.reference else [])]
    logps: list[list[list[float]]] = []
    tokens: list[list[int]] = []
    for number, model in enumerate(models):
        offset = number * len(rows)
        found, tokens = _summed(config, model, rows, (offset, len(rows) * len(models)))
        logps.append(found)
    columns = {
        "instance_id": [row.instance_id for row in rows],
        "logp": logps[0],
        "reference": logps[1] if config.reference else [None] * len(rows),
        "tokens": tokens,
    }
    table = pa.table(columns, schema=SCHEMA)
    replace_file(workdir / "logps.parquet", lambda path: pq.write_table(table, path))
    return {"rows": len(rows), "file": "logps.parquet"}


def _summed(
    config: LogpsConfig, folder: str, rows: Sequence[Row], progress: tuple[int, int]
) -> tuple[list[list[float]], list[list[int]]]:
    """Of each row the sums of log-probabilities and the tokens of its completions.

    Both models read the policy's tokens: their sums compare only so.
    """
    tokenizer = load_tokenizer(Path(config.model))
    model = load_model(Path(folder), "policy").to(device_for(config.device)).eval()
    scorer = make_scorer(model, "policy", tokenizer, layout="auto", precision="fp32")
    encoder = Encoder(tokenizer, Limits(config.max_length, config.prompt_limit))
    groups = encode_all(encoder, list(rows), None)
    logps: list[list[float]] = [[] for _ in rows]
    tokens: list[list[int]] = [[] for _ in rows]
    done = 0
    for batch in sorted_batches([scorer.cost(group) for group in groups], config.token_budget):
        for k, said in zip(batch, said_of(scorer, [groups[k] for k in batch]), strict=True):
            logps[k], tokens[k] = said.rewards, said.tokens
        done += len(batch)
        events.progress(progress[0] + done, progress[1], "rows read")
        if events.stop_wanted():
            raise events.StoppedError(done)
    return logps, tokens
