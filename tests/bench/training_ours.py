"""Our trainer on prepared batches, in a process of its own.

python -m tests.bench.training_ours FOLDER KIND STEPS [pairs|lists|rest_pairs|all_pairs]

prints seconds and processor seconds of each step, the losses and the peak of resident memory as a
JSON line.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from itertools import combinations, islice, pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))

import torch

from tests.bench.training_data import Example, batches_of
from training.fit.board import Board
from training.fit.checkpoint import Checkpoints, State
from training.fit.config import Base, Data, FitConfig
from training.fit.models.loading import load_model
from training.fit.models.tokenizer import load_tokenizer
from training.fit.optimiser import make_optimiser
from training.fit.reference.cache import ReferenceCache, fill
from training.fit.scoring.scorers import make_scorer
from training.fit.team import Team
from training.fit.trainer import Phase, Trainer
from training.objectives.presets import resolve

THREADS = 2
LEARNING_RATE = 1e-4
PRESETS = {"reward": "bt", "policy": "dpo"}


class Timed(Trainer):
    """The trainer on given batches, one a step, with the time of each step."""

    __slots__ = ("cpu_ends", "ends", "steps")
    cpu_ends: list[float]
    ends: list[float]
    steps: list[Any]

    def plan(self, start: int) -> Any:
        """The prepared steps."""
        return iter(self.steps[start:])

    def _after_step(self) -> None:
        self.ends.append(time.perf_counter())
        self.cpu_ends.append(time.process_time())


def main(arguments: list[str]) -> None:
    """Train and print the figures."""
    folder, kind, count = Path(arguments[0]), arguments[1], int(arguments[2])
    shape = arguments[3] if len(arguments) > 3 else "pairs"
    torch.set_num_threads(THREADS)
    source = "pairs" if shape == "pairs" else "lists"
    batches = list(islice(batches_of(folder / f"{source}.json"), count))
    trainer = prepared(folder, kind, [expanded(batch, shape) for batch in batches], shape)
    trainer.ends.append(time.perf_counter())
    trainer.cpu_ends.append(time.process_time())
    trainer.run()
    print(
        json.dumps(
            {
                "seconds": between(trainer.ends),
                "cpu_seconds": between(trainer.cpu_ends),
                "losses": [entry["loss"] for entry in trainer.state.history],
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "layout": trainer.scorer.backbone.layout,  # type: ignore[attr-defined]
            }
        )
    )


def between(ends: list[float]) -> list[float]:
    """What passed from each moment to the next."""
    return [end - start for start, end in pairwise(ends)]


def expanded(batch: Sequence[Example], shape: str) -> list[Example]:
    """The batch as it is, or each list as pairs: best against the rest, or all."""
    if shape in ("pairs", "lists"):
        return list(batch)
    found = []
    for example in batch:
        sides = combinations(range(len(example.completions)), 2)
        kept = [(i, j) for i, j in sides if shape == "all_pairs" or i == 0]
        answers = example.completions
        found += [Example(example.prompt, (answers[i], answers[j])) for i, j in kept]
    return found


def prepared(folder: Path, kind: str, batches: list[list[Example]], shape: str) -> Timed:
    """The trainer of one run over the batches, its reference computed."""
    tokenizer = load_tokenizer(folder / "tokenizer")
    model = load_model(folder / kind, kind, 0.0)
    config = FitConfig(
        kind=kind,  # type: ignore[arg-type]
        preset="plackett_luce" if shape == "lists" else PRESETS[kind],
        data=Data(train=""),
        base=Base(path=str(folder / kind)),
        learning_rate=LEARNING_RATE,
        warmup=0,
        schedule="constant",
    )
    groups = [example.group for batch in batches for example in batch]
    numbers = iter(range(len(groups)))
    steps = [[list(islice(numbers, len(batch)))] for batch in batches]
    scorer = make_scorer(model, kind, tokenizer, layout="auto", precision="fp32")
    reference = None
    if kind == "policy":
        reference = ReferenceCache.open(folder / "none", "bench", "fp32")
        fill(reference, scorer, groups, [step[0] for step in steps], lambda _done: None)
    objective = resolve(config.kind, config.preset)
    trainer = Timed(
        config=config,
        phase=Phase("train", objective, 0, len(batches), LEARNING_RATE, 0),
        scorer=scorer,
        optimiser=make_optimiser(model, 0.0, config.optimiser),
        groups=groups,
        held_out=[],
        state=State("bench"),
        checkpoints=Checkpoints(folder / "checkpoints"),
        best_weights=folder / "best",
        total=len(batches),
        team=Team(torch.device("cpu")),
        board=Board(),
        reference=reference,
    )
    trainer.steps, trainer.ends, trainer.cpu_ends = steps, [], []
    return trainer


if __name__ == "__main__":
    main(sys.argv[1:])
