"""A snapshot and a model so small that training takes seconds."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from accounts.models import Project
from annotation.datasets.models import Snapshot
from core.hashing import content_hash

GOOD = ("clear", "exact", "kind", "right", "short")
COLUMNS = (
    "prompt",
    "completions",
    "score",
    "pair_p",
    "weight",
    "margin",
    "source",
    "prompt_hash",
    "instance_id",
)
BAD = ("vague", "wrong", "rude", "empty", "long")
OPTIONS: dict[str, Any] = {
    "base": {"scratch": {"hidden_size": 32, "layers": 1, "heads": 2, "vocab_size": 320}},
    "max_length": 64,
    "token_budget": 256,
    "learning_rate": 3e-3,
    "steps": 6,
    "checkpoint_every": 3,
}


def rows(count: int, *, start: int = 0) -> dict[str, list[Any]]:
    """Labelled pairs in which the preferred completion uses kinder words."""
    chance = random.Random(start)
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for number in range(start, start + count):
        first = chance.random() < 0.5
        good, bad = (" ".join(chance.choices(words, k=4)) for words in (GOOD, BAD))
        columns["prompt"].append(json.dumps([{"role": "user", "content": f"Question {number}?"}]))
        columns["completions"].append([good, bad] if first else [bad, good])
        columns["score"].append([1.0, 0.0] if first else [0.0, 1.0])
        columns["pair_p"].append(0.95 if first else 0.05)
        columns["weight"].append(1.0)
        columns["margin"].append(0.0)
        columns["source"].append("human")
        columns["prompt_hash"].append(f"prompt-{number}")
        columns["instance_id"].append(f"instance-{number}")
    return columns


def make_snapshot(project: Project, *, train: int = 40, test: int = 24) -> Snapshot:
    """A snapshot row with its files below MEDIA_ROOT."""
    query = {"criterion": "overall", "train": train, "test": test}
    digest = content_hash([project.pk, query])
    folder = Path(settings.MEDIA_ROOT) / "snapshots" / digest
    folder.mkdir(parents=True)
    pq.write_table(pa.table(rows(train)), folder / "train.parquet")
    pq.write_table(pa.table(rows(test, start=10_000)), folder / "test.parquet")
    return Snapshot.objects.create(
        project=project,
        content_hash=digest,
        query=query,
        manifest={
            "rows": {"train": train, "test": test},
            "labels_by_kind": {"person": train + test},
        },
        folder=f"snapshots/{digest}",
    )
