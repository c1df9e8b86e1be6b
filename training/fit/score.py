"""The command `score`: rewards of completions under a saved reward model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.batching.plan import sorted_batches
from training.batching.rows import Need, Row, read_rows
from training.batching.tokenise import Encoder, Limits, encode_all
from training.fit import events
from training.fit.figures.metrics import Outcome, numbers_only
from training.fit.files import replace_file
from training.fit.heads.modules import require_annotator
from training.fit.models.loading import device_for, load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.reading import read_json
from training.fit.scoring.reward import CausalRewardScorer, EncoderRewardScorer, is_causal
from training.fit.scoring.scorers import Scorer, make_scorer
from training.fit.settings import ScoreConfig, settings
from training.fit.verdicts import Said, said_of

SCHEMA = pa.schema(
    {
        "instance_id": pa.string(),
        "prompt_hash": pa.string(),
        "rewards": pa.list_(pa.float64()),
        "tokens": pa.list_(pa.int64()),
        "variance": pa.list_(pa.float64()),
        "attributes": pa.string(),
    }
)


def run(workdir: Path) -> dict[str, Any]:
    """Write `scores.parquet`, a row per prompt with a list entry per completion.

    Its columns are instance_id, prompt_hash, rewards, tokens, variance (null where the head says
    none) and attributes (JSON of lists by attribute, null where the head predicts none).
    """
    config: ScoreConfig = settings(ScoreConfig, read_json(workdir / "config.json"))
    rows, found, counts = _scored(config, "completions")
    columns = {
        "instance_id": [row.instance_id for row in rows],
        "prompt_hash": [row.prompt_hash for row in rows],
        "rewards": [said.rewards for said in found],
        "tokens": [said.tokens for said in found],
        "variance": [said.variance or None for said in found],
        "attributes": [json.dumps(s.attributes) if s.attributes else None for s in found],
    }
    table = pa.table(columns, schema=SCHEMA)
    replace_file(workdir / "scores.parquet", lambda path: pq.write_table(table, path))
    return {"rows": len(rows), "counts": counts, "file": "scores.parquet"}


def scored(config: ScoreConfig, need: Need) -> tuple[list[Row], list[Outcome], dict[str, int]]:
    """Rows of the data with their rewards, in file order, and what was cut or left out.

    Rows with labels are scored as their own annotator sees them, others as `config.annotator` or
    everybody does.

    Raises:
        RefusalError: a reward is not a finite number, or the model does not know the annotator.
    """
    rows, found, counts = _scored(config, need)
    return rows, [_outcome(row, said) for row, said in zip(rows, found, strict=True)], counts


def _scored(config: ScoreConfig, need: Need) -> tuple[list[Row], list[Said], dict[str, int]]:
    rows = read_rows(Path(config.data), need)
    scorer, encoder = _loaded(config, need)
    groups = encode_all(encoder, rows, None)
    found: dict[int, Said] = {}
    for batch in sorted_batches([scorer.cost(group) for group in groups], config.token_budget):
        found |= zip(batch, said_of(scorer, [groups[k] for k in batch]), strict=True)
        events.progress(len(found), len(rows), "rows scored")
        if events.stop_wanted():
            raise events.StoppedError(len(found))
    ordered = [found[k] for k in range(len(rows))]
    numbers_only([_outcome(row, said) for row, said in zip(rows, ordered, strict=True)])
    return rows, ordered, encoder.counts.as_dict()


def _loaded(config: ScoreConfig, need: Need) -> tuple[Scorer, Encoder]:
    tokenizer = load_tokenizer(Path(config.model))
    model = load_model(Path(config.model), "reward").to(device_for(config.device)).eval()
    require_annotator(model, config.annotator)
    scorer = make_scorer(model, "reward", tokenizer, layout="auto", precision="fp32")
    if isinstance(scorer, (CausalRewardScorer, EncoderRewardScorer)):
        own = need == "labels" and not config.annotator
        scorer.annotator = None if own else config.annotator
    limits = Limits(config.max_length, config.prompt_limit)
    return scorer, Encoder(tokenizer, limits, is_causal(model))


def _outcome(row: Row, said: Said) -> Outcome:
    ratings = tuple(zip(*said.attributes.values(), strict=True))
    return Outcome(
        row.preference,
        row.prompt_hash,
        tuple(said.rewards),
        tuple(said.tokens),
        variance=tuple(said.variance),
        ratings=ratings,
    )
