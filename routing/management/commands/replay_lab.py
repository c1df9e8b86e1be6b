"""The replay lab from the command line: a file of the common schema, or a project."""

import hashlib
import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Project
from core.exceptions import ApplicationError, InvalidInput
from routing.features.table import Floats
from routing.lab import printing, reading
from routing.lab.curves import replay
from routing.lab.dual import DualSet
from routing.lab.leave_one_out import leave_one_out
from routing.lab.project import dual_of
from routing.lab.replay import BUDGETS, CONSENSUS, TRUTHS, Asked, Replayed
from routing.lab.selectors import judges_of
from training.runs.commands import environment


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # it touches no pages, and tables only of a project
    help = (
        "Compare strategies on data with human and judge labels: prints a table for each judge and "
        "budget, and where the learned combination stands. Imports nothing and changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source", nargs="+", help="files of the common schema (JSON Lines), slugs of projects"
        )
        parser.add_argument("--judge", action="append", help="only this judge; may be repeated")
        parser.add_argument("--arm", action="append", help="only this strategy; may be repeated")
        parser.add_argument("--budget", type=float, action="append", help="0 to 1; may be repeated")
        parser.add_argument("--seeds", type=int, default=10)
        parser.add_argument("--truth", choices=TRUTHS, action="append", help="default: both")
        parser.add_argument("--no-embeddings", action="store_true", help="label level only")
        parser.add_argument(
            "--leave-one-out",
            action="store_true",
            help="choose the priors of the learned combination on the other sources instead, at "
            "the first budget (default: 25 %%) and the consensus",
        )
        parser.add_argument("--out", type=Path, help="folder for replay.txt, .json and .csv")

    def handle(self, *args: Any, **options: Any) -> None:
        self.said: list[str] = []
        began = time.monotonic()
        found = self._left_out(options) if options["leave_one_out"] else self._replayed(options)
        self._say(f"\n{time.monotonic() - began:.0f} s in all")
        if options["out"]:
            options["out"].mkdir(parents=True, exist_ok=True)
            (options["out"] / "replay.txt").write_text("\n".join(self.said) + "\n")
            (options["out"] / "replay.json").write_text(json.dumps(found, indent=1))

    def _say(self, text: str) -> None:
        self.said.append(text)
        self.stdout.write(text)

    def _replayed(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[tuple[str, Replayed]] = []
        for source in options["source"]:
            for name, dual in self._duals(source, options):
                for truth in options["truth"] or TRUTHS:
                    replayed = self._one(dual, truth, options)
                    found += [(name, replayed)] if replayed else []
        self._say("\n" + printing.standing(found))
        if options["out"]:
            options["out"].mkdir(parents=True, exist_ok=True)
            (options["out"] / "replay.csv").write_text(printing.tables(found))
        return [{"source": name} | replayed.to_json() for name, replayed in found]

    def _left_out(self, options: dict[str, Any]) -> list[dict[str, Any]]:
        bases: dict[str, list[DualSet]] = {}
        for source in options["source"]:
            for name, dual in self._duals(source, options):
                bases.setdefault(name, []).append(dual)
        if len(bases) < 2:
            raise CommandError("To leave one out takes at least two sources with judges.")
        budget = (options["budget"] or [0.25])[0]
        asked = Asked(budgets=(budget,), seeds=options["seeds"], truth=CONSENSUS)
        found = leave_one_out(bases, asked, lambda base: self._say(f"replayed: {base}"))
        self._say("\n" + printing.left_out(found, budget))
        return [asdict(row) for row in found]

    def _duals(self, source: str, options: dict[str, Any]) -> Iterator[tuple[str, DualSet]]:
        """Every base of a source with its name; a file goes before a project of that name."""
        path = Path(source)
        try:
            duals = self._of_file(path, options) if path.is_file() else _of_project(source, options)
            name, some = path.name.split(".")[0], False
            for dual in duals:
                self._say(f"\n=== {name}, {dual.judge_name} ===")
                some = True
                yield name, dual
        except InvalidInput as error:
            raise CommandError(error.message) from error
        if not some:
            self._say(f"{path.name}: no judge has labelled what people have.\n")

    def _of_file(self, path: Path, options: dict[str, Any]) -> Iterator[DualSet]:
        file = reading.read(path)
        judges = [j for j in file.judges if not options["judge"] or j in options["judge"]]
        wanted = judges and not options["no_embeddings"]
        vectors = embedded(reading.texts_of(file)) if wanted else None
        for judge in judges:
            yield reading.dual_set(file, judge, vectors)

    def _one(self, dual: DualSet, truth: str, options: dict[str, Any]) -> Replayed | None:
        started = time.monotonic()
        try:
            asked = Asked(
                arms=tuple(options["arm"] or ()),
                budgets=tuple(options["budget"] or BUDGETS),
                seeds=options["seeds"],
                truth=truth,
            )
            replayed = replay(dual, asked)
        except ApplicationError as error:
            self._say(f"Not replayed ({truth}): {error.message}")
            return None
        self._say("\n" + printing.text(replayed))
        self._say(f"{time.monotonic() - started:.1f} s")
        return replayed


def _of_project(slug: str, options: dict[str, Any]) -> Iterator[DualSet]:
    """Raises CommandError: there is no such project."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no file and no project {slug}.")
    for judge in judges_of(project):
        if not options["judge"] or judge.name in options["judge"]:
            dual = dual_of(project, judge)
            yield replace(dual, differences=None) if options["no_embeddings"] else dual


def embedded(texts: list[str]) -> dict[str, Floats]:
    """The vector of every text from the encoder of the installation; kept for the next time.

    Raises:
        CommandError: the encoder failed.
    """
    name = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
    kept = Path(settings.VAR_DIR) / "lab" / f"{name}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(".tmp")
        with unfinished.open("wb") as file:
            np.save(file, _embed(texts))
        unfinished.replace(kept)
    return dict(zip(texts, np.load(kept, allow_pickle=False), strict=True))


def _embed(texts: list[str]) -> Floats:
    from safetensors.numpy import load_file  # noqa: PLC0415 - comes with torch's extra

    with TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "texts.parquet"
        ids = [str(i) for i in range(len(texts))]
        pq.write_table(pa.table({"id": ids, "text": texts}), data)
        (folder / "config.json").write_text(json.dumps({"data": str(data)}))
        done = subprocess.run(
            [sys.executable, "-m", "training", "embed", str(folder)],
            cwd=settings.BASE_DIR,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(f"The encoder failed: {(done.stdout or done.stderr)[-400:]}")
        order = json.loads((folder / "ids.json").read_text())
        vectors = load_file(folder / "embeddings.safetensors")["embeddings"]
    found = np.empty_like(vectors)
    found[[int(key) for key in order]] = vectors
    return np.asarray(found)
