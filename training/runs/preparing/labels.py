"""The labels of a snapshot beside the instances they are about, one instance at a time. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from annotation.datasets.labels import DATA, MACHINES
from annotation.datasets.ratings import deciding, means
from annotation.instances.content import text_of
from core.exceptions import InvalidInput
from core.hashing import canonical_json

Row = dict[str, Any]
WINDOW = 5000
LABEL_COLUMNS = (
    *("instance_id", "criterion", "annotator", "kind", "simulated", "ranking", "strength"),
    *("purpose", "unranked", "scores", "propensity"),
)
LIGHT = ("instance_id", "split", "prompt_hash", "tags")
CONTENT = ("messages", "completions")


@dataclass(frozen=True)
class Case:
    """An instance as it is stored, and the labels on it that are data."""

    instance: Row
    labels: Sequence[Row]

    def on(self, criterion: str) -> list[Row]:
        return [label for label in self.labels if label["criterion"] == criterion]

    @property
    def propensity(self) -> float | None:
        """With which the instance was sent where its labels come from; None where unknown."""
        known = [label["propensity"] for label in self.labels if label["propensity"]]
        return float(known[0]) if known else None


def cases(folder: Path, *, content: bool) -> Iterator[Case]:
    """All instances with their labels, in the order of the files; memory stays that of a window.

    Raises:
        InvalidInput: the snapshot has no files of labels.
    """
    columns = [*LIGHT, *(CONTENT if content else ())]
    labels = groupby(
        (row for row in stored(folder / "annotations.parquet", LABEL_COLUMNS)),
        key=lambda row: row["instance_id"],
    )
    current = next(labels, None)
    for instance in stored(folder / "instances.parquet", columns):
        found: list[Row] = []
        if current is not None and current[0] == instance["instance_id"]:
            found = [row for row in current[1] if row["purpose"] in DATA]
            current = next(labels, None)
        yield Case(instance, found)


def stored(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a file, a window at a time.

    Raises:
        InvalidInput: the file is gone.
    """
    if not path.is_file():
        raise InvalidInput(
            f"The snapshot has no {path.name}: build it again, or choose the mode consensus."
        )
    with pq.ParquetFile(path) as file:
        kept = [name for name in columns if name in file.schema_arrow.names]
        missing = dict.fromkeys(name for name in columns if name not in kept)
        for batch in file.iter_batches(batch_size=WINDOW, columns=kept):
            for row in batch.to_pylist():
                yield row | missing


def source_of(label: Mapping[str, Any]) -> str:
    """human or judge, with `simulated-` before it."""
    name = "judge" if label["kind"] in MACHINES else "human"
    return f"simulated-{name}" if label["simulated"] else name


def worth_of(ranking: Sequence[int]) -> list[float]:
    """Of each completion the share of the others it beats; a tie is half a win."""
    others = max(1, len(ranking) - 1)
    return [
        (sum(rank < other for other in ranking) + 0.5 * (ranking.count(rank) - 1)) / others
        for rank in ranking
    ]


def content_of(instance: Mapping[str, Any]) -> Row:
    """Prompt, completions and what they came from, as the rows of a snapshot say it."""
    completions = json.loads(instance["completions"])
    turns = json.loads(instance["messages"])
    words = [{"role": turn["role"], "content": text_of(turn["content"])} for turn in turns]
    own = [each["messages"] for each in completions]
    return {
        "prompt": canonical_json(words),
        "completions": [_whole(each) for each in completions],
        "own_prompts": [canonical_json(each) if each else None for each in own],
        "generators": [each["generator"] for each in completions],
        "licences": [each["licence"] for each in completions],
    }


def _whole(completion: Mapping[str, Any]) -> str:
    parts = completion["parts"]
    return text_of([completion["text"], *parts]) if parts else str(completion["text"])


def attributes_of(
    case: Case, rated: Sequence[str], count: int, annotator: str | None = None
) -> dict[str, list[float | None]]:
    """By rated criterion a number per completion: the mean, or what one annotator said."""
    found: dict[str, list[float | None]] = {}
    for key in rated:
        labels = case.on(key)
        if annotator is not None:
            labels = [label for label in labels if label["annotator"] == annotator]
        values = means(deciding(labels), count)
        if any(value is not None for value in values):
            found[key] = values
    return found
