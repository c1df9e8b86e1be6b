"""Consensus at the size of a million labels, beside crowd-kit and evalica.

make bench ARGS=judges_consensus            everything, some minutes with crowd-kit installed
make bench ARGS="judges_consensus --quick"  a tenth of the labels

The last cases run the jobs of a project in a database.

crowd-kit runs in its own virtual environment and process. Both get the same labels, the majority
vote to begin with, and the same number of rounds; a difference in the posteriors is reported.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from annotation.consensus.bradley_terry import Comparisons, bootstrap
from annotation.consensus.bradley_terry import fit as fit_strengths
from annotation.quality.em import DAWID_SKENE, NO_PRIOR, Engine, table_of_answers
from annotation.quality.reliability import Ballots, fit
from tests.bench.report import Report

VERSION = "1.4.2"
PEER = f"crowd-kit {VERSION}"
# Its aggregation needs these; it asks for more that only its metrics and examples use.
PACKAGES = ("numpy", "pandas", "scipy", "attrs", "tqdm", "scikit-learn", "nltk", "pyarrow")
INSTALL_SECONDS = 1200
INSTANCES, OVERLAP, ANNOTATORS, CLASSES, ROUNDS = 200_000, 5, 2_000, 4, 20
GENERATORS, PROMPTS, RESAMPLES = 100, 100_000, 100
# In the database.
LABELS = 100_000
MODELS = ("one-coin", "dawid-skene", "mace", "noisy-bt")

# (case, value, unit, further arguments of Report.add)
Case = tuple[str, float, str, dict[str, Any]]


class NotAvailable(Exception):
    """crowd-kit cannot be measured here; the text says why."""


def main(arguments: list[str]) -> None:
    """Measure what `cases` and `database_cases` give."""
    import django

    django.setup()
    with Report("judges_consensus") as report:
        try:
            for case, value, unit, more in cases(quick="--quick" in arguments):
                report.add(case, value, unit, **more)
        except NotAvailable as error:
            report.not_measured(PEER, str(error))
        for case, seconds in database_cases(quick="--quick" in arguments):
            report.add(case, seconds, "s")


def database_cases(*, quick: bool = False) -> Iterator[tuple[str, float]]:
    """The seconds that a project's jobs take: the first consensus, one anew, that of 50 instances,
    the leaderboard and the quality report.
    """
    from django.core.management import call_command

    from annotation.consensus import generators, services
    from annotation.quality import measuring
    from tests.bench.crowd import make_crowd

    call_command("migrate", verbosity=0)
    labels = LABELS // 10 if quick else LABELS
    project, name = make_crowd(labels), f"{labels // 1000}k"
    services.choose_method(project=project, method=DAWID_SKENE)
    some = list(project.instances.values_list("pk", flat=True)[:50])
    jobs: dict[str, Callable[[], Any]] = {
        f"consensus_first_{name}_seconds": lambda: services.catch_up(project=project),
        f"consensus_refit_{name}_seconds": lambda: services.update(project=project),
        f"consensus_of_50_in_{name}_seconds": lambda: services.update(
            project=project, instance_ids=some
        ),
        f"leaderboard_{name}_seconds": lambda: generators.measure(
            project, generators.Settings(source="mixed")
        ),
        f"quality_report_{name}_seconds": lambda: measuring.measure(project, measuring.Settings()),
    }
    for case, job in jobs.items():
        began = time.perf_counter()
        job()
        yield case, time.perf_counter() - began


def cases(*, quick: bool = False) -> Iterator[Case]:
    """Every measurement in turn; the peer comes last.

    Raises:
        NotAvailable: crowd-kit is not there and could not be installed.
    """
    instances = INSTANCES // 10 if quick else INSTANCES
    unit, who, answer = make_labels(instances)
    posterior, seconds, memory = measure_ours(unit, who, answer, instances)
    name = "1m" if not quick else f"{len(unit) // 1000}k"
    yield f"dawid_skene_{name}_memory", memory, "MB", {}
    yield from models(unit, who, answer, name)
    yield from leaderboard(len(unit), name)
    try:
        theirs, peer_seconds = measure_crowd_kit(unit, who, answer)
    except NotAvailable:
        yield f"dawid_skene_{name}_seconds", seconds, "s", {}
        raise
    peer = {"peer": PEER, "peer_value": peer_seconds}
    yield f"dawid_skene_{name}_seconds", seconds, "s", peer
    yield f"dawid_skene_{name}_difference", float(np.abs(posterior - theirs).max()), "", {}


def make_labels(instances: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """(labels,) codes of instances, annotators and answers, with planted skills."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, instances)
    unit = np.repeat(np.arange(instances), OVERLAP)
    who = rng.integers(0, ANNOTATORS, len(unit))
    right = rng.random(len(unit)) < rng.uniform(0.4, 0.95, ANNOTATORS)[who]
    answer = np.where(right, truth[unit], rng.integers(0, CLASSES, len(unit)))
    return unit, who, answer


def measure_ours(unit: Any, who: Any, answer: Any, instances: int) -> tuple[Any, float, float]:
    """(instances, classes) posterior, seconds, and the peak memory of this process in MB."""
    began = time.perf_counter()
    table = table_of_answers(
        unit, who, answer, units=instances, annotators=ANNOTATORS, answers=CLASSES
    )
    engine = Engine(DAWID_SKENE, table, NO_PRIOR, even=False)
    # The peer's last round ends with the posterior, ours with the parameters.
    posterior = engine.expect(engine.run(ROUNDS - 1, 0.0))
    seconds = time.perf_counter() - began
    return posterior, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def models(unit: Any, who: Any, answer: Any, name: str) -> Iterator[Case]:
    """Every model of annotators over as many labels of pairs, until it stands still."""
    order = np.random.default_rng(1).integers(0, 2, len(unit))
    p = (answer < CLASSES // 2).astype(np.float64)
    ballots = Ballots(unit, who, p, order, np.zeros(len(unit), dtype=np.bool_))
    for model in MODELS:
        began = time.perf_counter()
        fit(ballots, model=model)
        yield f"{model}_pairs_{name}_seconds", time.perf_counter() - began, "s", {}


def leaderboard(comparisons: int, name: str) -> Iterator[Case]:
    """Bradley–Terry with draws of prompts, beside evalica on the same draws."""
    import evalica

    rng = np.random.default_rng(2)
    strength = rng.normal(0, 1, GENERATORS)
    first = rng.integers(0, GENERATORS, comparisons)
    second = (first + rng.integers(1, GENERATORS, comparisons)) % GENERATORS
    won = rng.random(comparisons) < 1 / (1 + np.exp(strength[second] - strength[first]))
    prompts = rng.integers(0, PROMPTS, comparisons)
    half = won.astype(np.float64)
    given = Comparisons(first, second, half, 1 - half, np.zeros_like(half), prompts, GENERATORS)
    began = time.perf_counter()
    draws = bootstrap(given, resamples=RESAMPLES, ridge=0.0)
    seconds = time.perf_counter() - began
    winners = [evalica.Winner.X if each else evalica.Winner.Y for each in won]
    xs, ys = first.tolist(), second.tolist()
    began = time.perf_counter()
    theirs = []
    draw = np.random.default_rng(0)
    for _ in range(RESAMPLES):
        weights = draw.multinomial(given.clusters, np.full(given.clusters, 1 / given.clusters))
        found = evalica.bradley_terry(xs, ys, winners, weights=weights[prompts].astype(float))
        theirs.append(np.log([found.scores[k] for k in range(GENERATORS)]))
    peer = {"peer": "evalica", "peer_value": time.perf_counter() - began}
    yield f"bradley_terry_100_bootstraps_{name}_seconds", seconds, "s", peer
    apart = np.array(theirs) - np.mean(theirs, axis=1, keepdims=True) - draws
    yield f"bradley_terry_100_bootstraps_{name}_difference", float(np.abs(apart).max()), "", {}
    began = time.perf_counter()
    fit_strengths(given)
    yield f"bradley_terry_sandwich_{name}_seconds", time.perf_counter() - began, "s", {}


def measure_crowd_kit(unit: Any, who: Any, answer: Any) -> tuple[Any, float]:
    """Its posterior in the order of our instances and classes, and its seconds."""
    python = install()
    folder = Path(tempfile.mkdtemp(prefix="tandem-crowd-kit-", dir="/tmp"))
    try:
        np.savez(folder / "labels.npz", unit=unit, who=who, answer=answer)
        done = subprocess.run(
            [str(python), "-c", SCRIPT, str(folder), str(ROUNDS)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotAvailable(f"it failed: {done.stderr.strip().splitlines()[-1:]}")
        seconds: float = json.loads(done.stdout)["seconds"]
        return np.load(folder / "posterior.npy"), seconds
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Reading the labels is not timed. −1 as the tolerance: it does all the rounds.
SCRIPT = """
import json, sys, time
from pathlib import Path
import numpy as np, pandas as pd
from crowdkit.aggregation import DawidSkene
folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
given = np.load(folder / "labels.npz")
data = pd.DataFrame({"task": given["unit"], "worker": given["who"], "label": given["answer"]})
began = time.perf_counter()
found = DawidSkene(n_iter=rounds, tol=-1.0).fit_predict_proba(data)
seconds = time.perf_counter() - began
np.save(folder / "posterior.npy", found.sort_index().sort_index(axis=1).to_numpy())
print(json.dumps({"seconds": seconds}))
"""


def install() -> Path:
    """crowd-kit's Python, in a cache folder that later runs use again.

    Raises:
        NotAvailable: it could not be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "tandem" / f"crowd-kit-{VERSION}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    commands = (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--no-deps", f"crowd-kit=={VERSION}"],
        [*pip, *PACKAGES, "transformers"],
    )
    for command in commands:
        try:
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise NotAvailable(f"it could not be installed: {error}") from error
    (folder / "complete").touch()
    return python


if __name__ == "__main__":
    main(sys.argv[1:])
