"""Best of n: what is gained when a reward model chooses among several draws of a policy."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.exceptions import InvalidInput
from jobs.context import JobContext
from training.batching.rows import MOST_COMPLETIONS, read_rows
from training.fit.figures.choosing import expected_choice
from training.fit.figures.intervals import clustered_interval, numbered
from training.fit.figures.metrics import FEW_PROMPTS
from training.fit.files import replace_file
from training.runs.commands import run_command
from training.runs.models import RunKind

from . import folders
from .models import ModelVersion
from .scale import recentred

MOST_DRAWS = 64
MOST_PROMPTS = 64


def check_source(version: ModelVersion, source: dict[str, Any]) -> dict[str, Any]:
    """The source of an evaluation "best of n": {"reward": id of a version, "draws", "prompts"}.

    Raises:
        InvalidInput: the version is no policy, there is no such reward model, or too many draws.
    """
    if version.kind != RunKind.POLICY:
        raise InvalidInput("Best of n is for policies: evaluate one of those.")
    known = ModelVersion.objects.filter(project=version.project, kind=RunKind.REWARD)
    wanted = source.get("reward")
    reward = known.filter(pk=wanted).first() if isinstance(wanted, int) else None
    if reward is None:
        raise InvalidInput("Choose a reward model of this project to choose among the draws.")
    draws, prompts = int(source.get("draws", 8)), int(source.get("prompts", 32))
    if not (2 <= draws <= MOST_DRAWS and 1 <= prompts <= MOST_PROMPTS):
        raise InvalidInput(f"2 to {MOST_DRAWS} draws and 1 to {MOST_PROMPTS} prompts are possible.")
    return {"reward": reward.pk, "draws": draws, "prompts": prompts}


def best_of_n(
    ctx: JobContext, version: ModelVersion, source: dict[str, Any], rows: Path
) -> dict[str, Any]:
    """Draw from the policy at the first prompts of `rows`, score the draws, and report by n.

    Rewards are recentred, as routers and judges read them.

    Raises:
        JobFailed: one of the two models cannot be run.
    """
    reward = ModelVersion.objects.get(pk=source["reward"])
    prompts = list(dict.fromkeys(json.dumps(list(r.prompt)) for r in read_rows(rows, "prompts")))
    prompts = prompts[: source["prompts"]]
    drawn = _draw(ctx, version, prompts, source["draws"])
    rewards = _score(ctx, reward, prompts, drawn)
    return {
        "reward_model": reward.version,
        "draws": source["draws"],
        "prompts": len(prompts),
        "by_n": by_n([recentred(reward, values) for values in rewards]),
        **({"warning": "few prompts"} if len(prompts) < FEW_PROMPTS else {}),
    }


def by_n(rewards: Sequence[Sequence[float]]) -> dict[str, dict[str, Any]]:
    """Expected reward of the best of n = 1, 2, 4, … draws, with its distance from the policy.

    Args:
        rewards: of each prompt's draws. The expectation is exact over all subsets of n of them.

    `kl_bound` is log n − (n − 1)/n nats, what best-of-n is away from the policy at most
    (2401.01879).
    """
    most = min(map(len, rewards))
    cluster = numbered([str(k) for k in range(len(rewards))])
    found = {}
    for n in [2**power for power in range(most.bit_length()) if 2**power <= most]:
        best = np.asarray([expected_choice(values, values, n) for values in rewards])
        found[str(n)] = {
            "reward": float(best.mean()),
            "interval": list(clustered_interval(best, cluster)),
            "kl_bound": math.log(n) - (n - 1) / n,
        }
    return found


def _draw(
    ctx: JobContext, version: ModelVersion, prompts: Sequence[str], draws: int
) -> list[list[str]]:
    data = ctx.folder / "prompts.parquet"
    many = [prompt for prompt in prompts for _ in range(draws)]
    _write(data, {"prompt": many, "instance_id": [str(k) for k in range(len(many))]})
    config = version.run.config
    values = {
        "model": str(folders.local(version)),
        "data": str(data),
        "max_new_tokens": max(int(config.get("sample_tokens", 64)), 1),
        "temperature": 1.0,
    }
    run_command(ctx, "generate", values, name="draws")
    texts = pq.read_table(ctx.folder / "draws" / "generations.parquet", columns=["completion"])
    said = texts.column(0).to_pylist()
    return [said[start : start + draws] for start in range(0, len(said), draws)]


def _score(
    ctx: JobContext, reward: ModelVersion, prompts: Sequence[str], drawn: Sequence[Sequence[str]]
) -> list[list[float]]:
    data = ctx.folder / "drawn.parquet"
    parts = [
        (number, list(texts[start : start + MOST_COMPLETIONS]))
        for number, texts in enumerate(drawn)
        for start in range(0, len(texts), MOST_COMPLETIONS)
    ]
    completions: Iterable[list[str]] = [texts for _, texts in parts]
    _write(data, {"prompt": [prompts[k] for k, _ in parts], "completions": list(completions)})
    config = reward.run.config
    values = {
        "model": str(folders.local(reward)),
        "data": str(data),
        "max_length": config.get("max_length", 512),
        "max_prompt_length": config.get("max_prompt_length"),
    }
    run_command(ctx, "score", values, name="draws-scored")
    scores = pq.read_table(ctx.folder / "draws-scored" / "scores.parquet", columns=["rewards"])
    found: list[list[float]] = [[] for _ in prompts]
    for (number, _), rewards in zip(parts, scores.column(0).to_pylist(), strict=True):
        found[number].extend(rewards)
    return found


def _write(path: Path, columns: dict[str, list[Any]]) -> None:
    replace_file(path, lambda target: pq.write_table(pa.table(columns), target))
