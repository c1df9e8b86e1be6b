"""One complete fit in a process of its own, so that its memory is its own.

python -m tests.bench.routing_fit [instances] [mixes] [kind]   prints {"seconds", "peak_mb", …}
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))

import numpy as np

from routing.features.table import FeatureTable
from routing.strategies import hyper
from routing.strategies.problem import Problem, Seed

DIMENSIONS = 384
NUMBERS = (
    "prompt_tokens", "shorter_tokens", "longer_tokens", "token_difference", "rouge1_f",
    "embedding_cosine", "bertscore_f1", "bertscore_penalised", "entity_overlap",
)  # fmt: skip
TAGS = {
    "domain": 45, "expertise": 3, "language": 8, "openendedness": 4, "safety": 4, "complexity": 3,
    "context": 2, "format": 2,
}  # fmt: skip


def features(n: int, rng: np.random.Generator) -> FeatureTable:
    """All features of the specification: nine numbers and eight tags."""
    tags = {
        name: tuple(np.array([f"value {i}" for i in range(size)])[rng.integers(0, size, n)])
        for name, size in TAGS.items()
    }
    return FeatureTable(NUMBERS, rng.random((n, len(NUMBERS))), tags)


def seed(n: int, rng: np.random.Generator) -> Seed:
    """n dual-labelled instances on n/4 prompts; the judge errs on long prompts."""
    # As encoders have them: unit length, most of the variance in few directions.
    decay = np.arange(1, DIMENSIONS + 1) ** -0.5
    one, other = (rng.normal(size=(n, DIMENSIONS)) * decay for _ in range(2))
    D = one / np.linalg.norm(one, axis=1)[:, None] - other / np.linalg.norm(other, axis=1)[:, None]
    worth = D @ rng.normal(size=DIMENSIONS) * 3
    human = (rng.random(n) < 1 / (1 + np.exp(-worth))).astype(np.float64)
    table = features(n, rng)
    wrong = rng.random(n) < np.where(table.values[:, 0] > 2 / 3, 0.5, 0.15)
    return Seed(
        Problem(tuple(f"i{i}" for i in range(n)), table, np.ones(n)),
        tuple(f"p{i // 4}" for i in range(n)),
        human,
        np.where(wrong, 1 - human, human),
        D,
    )


def main(arguments: list[str]) -> None:
    instances, mixes = (int(a) for a in (*arguments[:2], *("10000", "500")[len(arguments[:2]) :]))
    model = arguments[2] if len(arguments) > 2 else "linear"
    given = seed(instances, np.random.default_rng(0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    router = hyper.fit(given, mixes=mixes, model=model)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {
        "seconds": seconds,
        "peak_mb": peak / 1024,
        "before_mb": before / 1024,
        "columns": len(router.binning.columns),
        "spearman": router.predictor.held_out.spearman,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
