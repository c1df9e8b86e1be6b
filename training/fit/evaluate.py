"""The command `evaluate`: a saved model on labelled rows, or a reward model on a benchmark."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.batching.rows import MOST_COMPLETIONS, Row, read_rows
from training.batching.tokenise import Encoder, Limits, encode_all
from training.errors import RefusalError
from training.fit.benchmarks import reading
from training.fit.benchmarks.entries import Entry
from training.fit.figures.metrics import Outcome, by_source, by_tag, report
from training.fit.files import replace_file, write_json
from training.fit.models.loading import device_for, load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.reading import read_json
from training.fit.score import scored
from training.fit.scoring.scorers import make_scorer
from training.fit.settings import EvaluateConfig, ScoreConfig, settings
from training.fit.trainer import score_groups
from training.objectives.presets import resolve

# Its score is the log-probability of a completion: what a policy says without a reference.
LIKELIHOOD = "cpo"


def run(workdir: Path) -> dict[str, Any]:
    """Figures as in a run's report, or the scores of a benchmark; `evaluation.json`.

    Labelled rows leave `outcomes.parquet` beside it (instance_id, prompt_hash, scores, tokens),
    from which two models are compared pair by pair.
    """
    config: EvaluateConfig = settings(EvaluateConfig, read_json(workdir / "config.json"))
    if config.benchmark is not None:
        values = _benchmark(config, config.benchmark, workdir)
    else:
        values = _labelled(config, workdir)
    write_json(workdir / "evaluation.json", values)
    return values


def _labelled(config: EvaluateConfig, workdir: Path) -> dict[str, Any]:
    if config.kind == "policy":
        rows, outcomes, counts = likelihoods(config)
    else:
        rows, outcomes, counts = scored(_score_config(config), "labels")
    table = pa.table(
        {
            "instance_id": [row.instance_id for row in rows],
            "prompt_hash": [row.prompt_hash for row in rows],
            "scores": [list(outcome.scores) for outcome in outcomes],
            "tokens": [list(outcome.tokens) for outcome in outcomes],
        }
    )
    replace_file(workdir / "outcomes.parquet", lambda path: pq.write_table(table, path))
    return {
        "rows": len(rows),
        "counts": counts,
        **report(outcomes, config.kind),
        "by_source": by_source(outcomes, config.kind),
        "by_tag": by_tag(outcomes),
    }


def _score_config(config: EvaluateConfig) -> ScoreConfig:
    names = {entry.name for entry in dataclasses.fields(ScoreConfig)}
    values = dataclasses.asdict(config)
    return ScoreConfig(**{name: values[name] for name in names})


def likelihoods(config: EvaluateConfig) -> tuple[list[Row], list[Outcome], dict[str, int]]:
    """Rows with the log-probabilities of their completions under a policy, and the counts.

    Raises:
        RefusalError: a value is not a finite number.
    """
    read = read_rows(Path(config.data))
    rows = [row for row in read if not row.own_prompts]
    if not rows:
        raise RefusalError(
            "Every row has answers to different prompts: a policy is asked one prompt per row.",
            "Evaluate rows whose completions answer the same prompt.",
        )
    tokenizer = load_tokenizer(Path(config.model))
    model = load_model(Path(config.model), "policy").to(device_for(config.device)).eval()
    scorer = make_scorer(model, "policy", tokenizer, layout="auto", precision="fp32")
    encoder = Encoder(tokenizer, Limits(config.max_length, config.prompt_limit))
    groups = encode_all(encoder, rows, None)
    objective = resolve("policy", LIKELIHOOD)
    outcomes = score_groups(scorer, groups, objective, budget=config.token_budget)
    return rows, outcomes, encoder.counts.as_dict() | {"dropped_own_prompts": len(read) - len(rows)}


def _benchmark(config: EvaluateConfig, name: str, workdir: Path) -> dict[str, Any]:
    benchmark = reading.benchmark(name)
    entries = benchmark.read(Path(config.data))
    data = workdir / "benchmark.parquet"
    table, owners = _as_rows(entries)
    replace_file(data, lambda path: pq.write_table(table, path))
    score = dataclasses.replace(_score_config(config), data=str(data))
    _, outcomes, counts = scored(score, "completions")
    rewards: list[list[float]] = [[] for _ in entries]
    for owner, outcome in zip(owners, outcomes, strict=True):
        rewards[owner].extend(outcome.scores)
    return {
        "benchmark": name,
        "entries": len(entries),
        "counts": counts,
        **benchmark.score(entries, rewards),
    }


def _as_rows(entries: Sequence[Entry]) -> tuple[pa.Table, list[int]]:
    """Rows to score, and the entry of each: many completions are several rows of one prompt."""
    prompts, completions, owners = [], [], []
    for number, entry in enumerate(entries):
        for start in range(0, len(entry.completions), MOST_COMPLETIONS):
            prompts.append(json.dumps(list(entry.messages)))
            completions.append(list(entry.completions[start : start + MOST_COMPLETIONS]))
            owners.append(number)
    return pa.table({"prompt": prompts, "completions": completions}), owners
