"""The replay lab from the command line: a file of the common schema, or a project."""

import hashlib
import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.exceptions import ApplicationError, InvalidInput
from routing.features.table import Floats
from routing.lab import printing, reading
from routing.lab.curves import replay
from routing.lab.dual import DualSet
from routing.lab.replay import BUDGETS, TRUTHS, Asked
from training.runs.commands import environment


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # it touches neither pages nor tables
    help = (
        "Compare strategies on data with human and judge labels: prints a table for each judge and "
        "budget. Imports nothing and changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", nargs="+", help="files of the common schema (JSON Lines)")
        parser.add_argument("--judge", action="append", help="only this judge; may be repeated")
        parser.add_argument("--arm", action="append", help="only this strategy; may be repeated")
        parser.add_argument("--budget", type=float, action="append", help="0 to 1; may be repeated")
        parser.add_argument("--seeds", type=int, default=10)
        parser.add_argument("--truth", choices=TRUTHS, action="append", help="default: both")
        parser.add_argument("--no-embeddings", action="store_true", help="label level only")
        parser.add_argument("--json", type=Path, help="write all figures to this file too")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for path in map(Path, options["source"]):
            if not path.is_file():
                raise CommandError(f"There is no file {path}.")
            for dual in self._duals(path, options):
                found += [self._one(dual, truth, options) for truth in options["truth"] or TRUTHS]
        if options["json"]:
            options["json"].write_text(json.dumps([row for row in found if row], indent=1))

    def _duals(self, path: Path, options: dict[str, Any]) -> Iterator[DualSet]:
        try:
            file = reading.read(path)
        except InvalidInput as error:
            raise CommandError(error.message) from error
        judges = [j for j in file.judges if not options["judge"] or j in options["judge"]]
        if not judges:
            self.stdout.write(f"{path.name}: no judge has labelled what people have.\n")
            return
        vectors = None if options["no_embeddings"] else embedded(reading.texts_of(file))
        for judge in judges:
            self.stdout.write(f"\n=== {file.name}, {judge} ===")
            yield reading.dual_set(file, judge, vectors)

    def _one(self, dual: DualSet, truth: str, options: dict[str, Any]) -> dict[str, Any] | None:
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
            self.stdout.write(f"Not replayed ({truth}): {error.message}")
            return None
        self.stdout.write("\n" + printing.text(replayed))
        self.stdout.write(f"{time.monotonic() - started:.1f} s")
        return replayed.to_json()


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
