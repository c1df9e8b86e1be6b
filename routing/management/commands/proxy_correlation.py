"""How well convex heads rank mixes that full fine-tunes are trained on."""

import inspect
import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.exceptions import ApplicationError, InvalidInput
from routing.lab import reading
from routing.predictor import fine_tunes
from routing.predictor.fine_tunes import Pairs, Size
from training.runs.commands import environment

from .replay_lab import embedded


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # it touches neither pages nor tables
    help = (
        "Train a reward model on each of many human/judge mixes of a file and print, as JSON, how "
        "well the convex heads on the same mixes rank them. Started again with the same folder it "
        "goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="file of the common schema (JSON Lines)")
        parser.add_argument("--judge", default="", help="default: the first of the file")
        parser.add_argument("--folder", type=Path, required=True, help="where the fits are kept")
        parser.add_argument("--mixes", type=int, default=Size.mixes)
        parser.add_argument("--seeds", type=int, default=Size.seeds)
        parser.add_argument("--train", type=int, default=Size.train, help="pairs in a mix")
        parser.add_argument("--evaluate", type=int, default=Size.evaluate, help="held-out pairs")
        parser.add_argument("--steps", type=int, default=Size.steps)
        parser.add_argument("--max-length", type=int, default=96, help="tokens of a pair's side")
        parser.add_argument("--token-budget", type=int, default=1536, help="tokens of a step")
        parser.add_argument("--freeze-layers", type=int, default=4)
        parser.add_argument("--learning-rate", type=float, default=2e-4)
        parser.add_argument(
            "--base", default="", help="model folder; default: the sentence encoder that is here"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        size = Size(*(options[name] for name in ("mixes", "seeds", "train", "evaluate", "steps")))
        try:
            pairs = self._pairs(options)
            plan = fine_tunes.design(pairs, size, salt="proxies")
            names = inspect.signature(fine_tunes.fit_options).parameters
            chosen = fine_tunes.fit_options(**{name: options[name] for name in names})
            folders = fine_tunes.prepare(options["folder"], pairs, plan, size.seeds, chosen)
            found = [self._train(folder) for folder in folders]
        except ApplicationError as error:
            raise CommandError(error.message) from error
        full = np.array(found).reshape(size.seeds, size.mixes)
        report = fine_tunes.compare(plan, full) | {
            "source": options["source"].name,
            "settings": {k: v for k, v in chosen.items() if k != "base"},
            "seconds": round(time.monotonic() - began, 1),
        }
        self.stdout.write(json.dumps(report, indent=1))

    def _pairs(self, options: dict[str, Any]) -> Pairs:
        """Pairs on which most people agree and the judge decides."""
        file = reading.read(options["source"])
        judge = options["judge"] or next(iter(file.judges), "")
        if judge not in file.judges:
            raise CommandError(f"There is no judge {judge!r}: choose {', '.join(file.judges)}.")
        dual = reading.dual_set(file, judge, embedded(reading.texts_of(file)))
        human = np.array([majority(votes) for votes in dual.votes])
        rows = np.flatnonzero((human != 0.5) & (dual.judge != 0.5))
        texts = {line.key: line.texts for line in file.lines}
        if dual.differences is None:
            raise InvalidInput("The encoder gave no embeddings.")
        return Pairs(
            tuple(dual.keys[i] for i in rows),
            tuple(dual.prompts[i] for i in rows),
            tuple(texts[dual.keys[i]] for i in rows),
            dual.features.take(rows),
            dual.differences[rows],
            human[rows],
            (dual.judge[rows] > 0.5).astype(np.float64),
        )

    def _train(self, folder: Path) -> float:
        """Held-out accuracy of one fit, trained unless it has been."""
        found = fine_tunes.accuracy_in(folder)
        if found is not None:
            return found
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "training", "fit", str(folder)],
            cwd=settings.BASE_DIR,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        found = fine_tunes.accuracy_in(folder)
        if done.returncode or found is None:
            raise CommandError(f"{folder.name} failed: {(done.stdout or done.stderr)[-400:]}")
        self.stderr.write(f"{folder.name}: {time.monotonic() - began:.1f} s")
        return found


def majority(votes: tuple[float, ...]) -> float:
    """1 or 0 where most people prefer the first or the second completion, else ½."""
    lead = sum(v > 0.5 for v in votes) - sum(v < 0.5 for v in votes)
    return (float(np.sign(lead)) + 1) / 2
