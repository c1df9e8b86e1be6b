"""Routing: a complete fit, feature counts, scoring a million, texts, and the what-if frontier.

make bench-routing                  everything
make bench-routing ARGS=--quick     the fit and the scoring on a tenth of the instances

Each case says what it is given; features and embeddings are there before the clock starts.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from routing.features import binning
from routing.predictor.mixes import draw_mixes, feature_counts
from routing.strategies import hyper
from routing.strategies.problem import Problem
from routing.strategies.selecting import select
from tests.bench.report import Report
from tests.bench.routing_fit import features, seed

ROOT = Path(__file__).resolve().parents[2]
MIXES = 500
# Written beside the features and the frontier: `cases()` gives (case, value, unit).
OTHERS = ("tests.bench.routing_features", "tests.bench.routing_frontier")


def main(arguments: list[str]) -> None:
    """Measure everything; needs no database."""
    size = 1_000 if "--quick" in arguments else 10_000
    with Report("routing") as report:
        for model in ("linear", "quadratic", "boosted"):
            measure_fit(report, size, model)
        measure_counts(report, size)
        measure_scoring(report, size * 100)
        for name in OTHERS:
            measure_others(report, name)


def measure_fit(report: Report, size: int, model: str) -> None:
    """All of `hyper.fit` with held-out figures of the three models and intervals, in a process."""
    command = [sys.executable, "-m", "tests.bench.routing_fit", str(size), str(MIXES), model]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout)
    name = "hyper_fit" if model == "linear" else f"hyper_{model}_fit"
    case = f"{name}_{size // 1000}k_{MIXES}"
    report.add(f"{case}_seconds", figures["seconds"], "s")
    report.add(f"{case}_peak_mb", figures["peak_mb"], "MB")


def measure_counts(report: Report, size: int) -> None:
    """What 500 mixes are made of: one product against a sum over a frame for each mix.

    Each is the best of several tries: a busy machine disturbs the short one more.
    """
    rng = np.random.default_rng(0)
    table = features(size, rng)
    one_hot = binning.fit(table).one_hot(table)
    masks = draw_mixes(one_hot, MIXES, rng)
    ours = min(timed(lambda: feature_counts(masks, one_hot)) for _ in range(20))
    frame = pd.DataFrame(one_hot.astype(np.int8))
    theirs = min(timed(lambda: [frame[mask].sum() for mask in masks]) for _ in range(3))
    sums = [frame[mask].sum() for mask in masks]
    assert np.array_equal(np.stack(sums), feature_counts(masks, one_hot))
    report.add(f"feature_counts_{MIXES}_ms", ours * 1000, "ms")
    report.add("feature_counts_speedup", ours * 1000, "ms", peer="pandas", peer_value=theirs * 1000)


def measure_scoring(report: Report, size: int) -> None:
    """Gains, reasons and the choice at a quarter of the cost, of a linear and the other models."""
    rng = np.random.default_rng(0)
    table = features(size, rng)
    pool = Problem(tuple(f"i{i}" for i in range(size)), table, np.ones(size))
    given = seed(1_000, rng)
    for model in ("linear", "quadratic", "boosted"):
        router = hyper.fit(given, mixes=100, model=model, report=False)
        # Writing 5 there sets the peak back to what is resident now.
        Path("/proc/self/clear_refs").write_text("5")
        before = high_water()
        began = time.perf_counter()
        scores = router.score(pool)
        scored = time.perf_counter() - began
        growth = high_water() - before
        began = time.perf_counter()
        mask = select(router, pool, scores, size / 4, salt="bench")
        chosen = time.perf_counter() - began
        assert mask.sum() == size // 4
        name = "score" if model == "linear" else f"score_{model}"
        label = f"{size // 1_000_000}m" if size >= 1_000_000 else f"{size // 1000}k"
        report.add(f"{name}_{label}_seconds", scored, "s")
        report.add(f"{name}_{label}_growth_mb", growth, "MB")
        report.add(f"{name}_{label}_select_seconds", chosen, "s")


def measure_others(report: Report, module: str) -> None:
    if importlib.util.find_spec(module) is None:
        report.not_measured(module, "there is no such module")
        return
    for case, value, unit in importlib.import_module(module).cases():
        report.add(case, value, unit)


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def high_water() -> float:
    """The most resident memory so far, in MB of 2^20 bytes."""
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
