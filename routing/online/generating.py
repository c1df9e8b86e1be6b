"""Answers of the current policy: in a process of its own, scored by the reward model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.exceptions import InvalidInput
from core.hashing import canonical_json
from jobs.context import JobContext
from routing.rounds.models import Round
from training.fit.files import replace_file
from training.registry.folders import local
from training.registry.models import ModelVersion
from training.registry.scale import recentred
from training.registry.selectors import version_in
from training.runs.commands import run_command

from . import candidates
from .candidates import Candidates
from .work import Work

GENERATE = "routing.generate"
FILE = "candidates.parquet"
Prompt = tuple[str, list[dict[str, Any]]]
Answer = tuple[str, int]


def run_generate(context: JobContext) -> dict[str, Any]:
    """The job kind "routing.generate": `{"round": id, "file": name, "policy": id, …}`.

    Arguments: `prompts` [[hash, messages], …], `draws` answers to each, `policy` the version that
    answers (0: the answers are there already and are only scored), `reward` the version that
    scores (0: none). Cancelled and started again it begins anew; a finished file stays.
    """
    row = Round.objects.select_related("project__protocol").get(pk=context.arguments["round"])
    work = Work(context, row)
    target = work.folder / str(context.arguments["file"])
    if not target.is_file():
        given = context.arguments
        rows = (
            _drawn(work, given) if given["policy"] else candidates.read(target.with_suffix(".said"))
        )
        if given["reward"]:
            rows = scored(context, version_in(work.project, given["reward"]), rows)
        candidates.write(target, rows)
    return {"prompts": pq.read_metadata(target).num_rows}


def _drawn(work: Work, given: dict[str, Any]) -> list[Candidates]:
    """`draws` answers of the policy to every prompt, each draw with a seed of its own."""
    version = version_in(work.project, given["policy"])
    prompts = [(str(h), list(messages)) for h, messages in given["prompts"]]
    columns = [
        answers(
            work.context,
            version,
            prompts,
            seed=work.options.seed + 7919 * (draw + 1),
            temperature=work.options.temperature,
            most_tokens=work.options.max_new_tokens,
            name=f"{given['file']}-{draw}",
        )
        for draw in range(given["draws"])
    ]
    return [
        Candidates(h, messages, tuple(t for t, _ in said), tuple(n for _, n in said), None)
        for (h, messages), said in zip(prompts, zip(*columns, strict=True), strict=True)
    ]


def answers(
    context: JobContext,
    version: ModelVersion,
    prompts: Sequence[Prompt],
    *,
    seed: int,
    temperature: float,
    most_tokens: int,
    name: str,
) -> list[Answer]:
    """One answer of a policy to each prompt: its text and its tokens.

    Raises:
        JobFailed: the process refused or crashed; the message says why.
    """
    data = context.folder / f"{name}-prompts.parquet"
    _table(data, {"prompt": [canonical_json(messages) for _, messages in prompts]})
    config = {
        "model": str(local(version)),
        "data": str(data),
        "max_new_tokens": most_tokens,
        "temperature": temperature,
        "seed": seed,
    }
    run_command(context, "generate", config, name=name)
    said = pq.read_table(context.folder / name / "generations.parquet").to_pylist()
    return [(row["completion"].replace("\0", ""), int(row["tokens"])) for row in said]


def scored(
    context: JobContext, version: ModelVersion, rows: Sequence[Candidates], name: str = "score"
) -> list[Candidates]:
    """The candidates with their rewards, on the scale that all versions of the project share.

    Raises:
        InvalidInput: there is nothing to score.
        JobFailed: the process refused or crashed; the message says why.
    """
    if not rows:
        raise InvalidInput("There are no candidates to score.")
    data = context.folder / f"{name}.parquet"
    columns: dict[str, list[Any]] = {
        "prompt": [canonical_json(row.messages) for row in rows],
        "completions": [list(row.texts) for row in rows],
    }
    _table(data, columns)
    config = {"model": str(local(version)), "data": str(data), "max_length": _length(version)}
    run_command(context, "score", config, name=name)
    rewards = pq.read_table(context.folder / name / "scores.parquet")["rewards"].to_pylist()
    return [
        replace(row, rewards=tuple(recentred(version, values)))
        for row, values in zip(rows, rewards, strict=True)
    ]


def _length(version: ModelVersion) -> int:
    """Tokens that the model was trained on: more would be new to it."""
    return int(version.run.config["max_length"])


def _table(path: Path, columns: dict[str, list[Any]]) -> None:
    table = pa.table(columns)
    replace_file(path, lambda target: pq.write_table(table, target))
