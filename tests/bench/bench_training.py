"""Training: pairs a second and memory beside TRL, lists beside pairs, on real preference data.

make bench-training                  everything
make bench-training ARGS=--quick     few steps, once

Both contestants train the same random Llama on the same token ids in the same batches, with the
same optimiser, in float32 on two threads, each in a process of its own, in turns. TRL has its best
set-up on a CPU: examples grouped by length, and the reference computed before the clock starts,
as ours is. The losses of both are printed for the last step: they must be equal. Beside each step's
seconds stand its processor seconds, and the load of the machine before and after. Threads of both
spin for a moment while they wait for one another, as OpenMP has it on a machine of one's own: on a
busy one that blurs every ratio, so measure where nothing else runs. Small steps lose a third of
their speed where threads sleep at once (OMP_WAIT_POLICY=PASSIVE, which runs of the product set for
the sake of the pages beside them).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.report import Report

ROOT = Path(__file__).resolve().parents[2]
BATCH, LISTS_PER_STEP = 8, 2
# The first steps allocate and warm up.
WARM = 1
PEER = "TRL 1.16.0"
CASES = {"reward": "reward_model", "policy": "dpo"}
SAME_LOSS = 1e-4


def main(arguments: list[str]) -> None:
    """Measure everything; needs no database."""
    from tests.bench.training_data import LISTS, PAIRS, prepare

    steps, repeats = (5, 1) if "--quick" in arguments else (12, 3)
    with Report("training") as report, tempfile.TemporaryDirectory() as name:
        if not (PAIRS.is_file() and LISTS.is_file()):
            report.not_measured("all", "needs the real data in ../shared beside the checkout")
            return
        folder = Path(name)
        report.add("load_before", os.getloadavg()[0], f"runnable, {os.cpu_count()} cores")
        data = prepare(folder, 2 * BATCH * steps, LISTS_PER_STEP * steps, BATCH, LISTS_PER_STEP)
        for kind in CASES:
            measure_pairs(report, folder, kind, steps=steps, repeats=repeats, data=data["pairs"])
        measure_lists(report, folder, min(steps, 6), repeats, data["lists"])
        report.add("load_after", os.getloadavg()[0], f"runnable, {os.cpu_count()} cores")
        report.not_measured("GPU: pairs/s, memory, MFU", "no CUDA device")


def measure_pairs(
    report: Report, folder: Path, kind: str, *, steps: int, repeats: int, data: dict[str, float]
) -> None:
    """One objective of both contestants."""
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(run("training_ours", folder, kind, str(steps)))
        theirs.append(run("training_trl", folder, kind, str(steps)))
    name = CASES[kind]
    first, second = (BATCH / typical_step(runs) for runs in (ours, theirs))
    add: dict[str, Any] = {"peer": PEER, "higher_is_better": True}
    report.add(f"{name}_pairs_per_s", first, "pairs/s", peer_value=second, **add)
    ratios = [typical_step([b]) / typical_step([a]) for a, b in zip(ours, theirs, strict=True)]
    report.add(f"{name}_ratio_to_trl", statistics.median(ratios), "times")
    report.add(f"{name}_ratio_to_trl_lowest", min(ratios), "times")
    for clock in ("seconds", "cpu_seconds"):
        steps_took = [typical_step(runs, clock) for runs in (ours, theirs)]
        report.add(f"{name}_step_{clock}", steps_took[0], "s", peer=PEER, peer_value=steps_took[1])
    tokens = data["prompt"] + 2 * data["completion"]
    report.add(
        f"{name}_tokens_per_s", first * tokens, "unique tokens/s", peer_value=second * tokens, **add
    )
    peaks = [statistics.median(run["peak_mb"] for run in runs) for runs in (ours, theirs)]
    report.add(f"{name}_peak_mb", peaks[0], "MB", peer=PEER, peer_value=peaks[1])
    losses = [runs[0]["losses"] for runs in (ours, theirs)]
    report.add(
        f"{name}_loss_after_{steps}_steps",
        losses[0][-1],
        "nats",
        peer=PEER,
        peer_value=losses[1][-1],
    )
    apart = max(abs(a - b) for a, b in zip(*losses, strict=True))
    report.add(f"{name}_loss_largest_difference", apart, "nats")
    if apart > SAME_LOSS:
        message = f"{name}: the losses are {apart:.1e} apart, so the two did not do the same"
        raise AssertionError(message)


def measure_lists(
    report: Report, folder: Path, steps: int, repeats: int, data: dict[str, float]
) -> None:
    """Lists of eight, and the same lists as the 7 best-against-rest pairs and as all 28."""
    found: dict[str, list[Any]] = {"lists": [], "rest_pairs": [], "all_pairs": []}
    for _ in range(repeats):
        for shape, runs in found.items():
            runs.append(run("training_ours", folder, "reward", str(steps), shape))
    speed = {shape: LISTS_PER_STEP / typical_step(runs) for shape, runs in found.items()}
    for shape, case in (("rest_pairs", ""), ("all_pairs", "_all_28")):
        report.add(
            f"listwise_k8_vs_pairs{case}",
            speed["lists"],
            "lists/s",
            peer="our pairs",
            peer_value=speed[shape],
            higher_is_better=True,
        )
    for shape, runs in found.items():
        report.add(
            f"listwise_k8_{shape}_cpu_seconds", typical_step(runs, "cpu_seconds"), "s a step"
        )
    report.add("listwise_k8_bound", data["bound"], "times: 7(P+2R)/(P+8R)")
    report.add("listwise_k8_bound_all_28", data["bound"] * 4, "times: 28(P+2R)/(P+8R)")
    # Only lists with long prompts were taken, see LONG_PROMPT.
    report.add("listwise_k8_lists", data["count"], f"lists measured, of {data['of']:g}")
    report.add(
        "listwise_k8_lists_bound_2", data["gain"], f"lists bounded by 2 or more, of {data['of']:g}"
    )
    report.add("listwise_k8_prompt", data["prompt"], "tokens")
    report.add("listwise_k8_completion", data["completion"], "tokens")


def typical_step(runs: list[dict[str, Any]], clock: str = "seconds") -> float:
    """Seconds of a step: the mean over all but the first of each step's median over the runs."""
    columns = list(zip(*(run[clock][WARM:] for run in runs), strict=True))
    return float(statistics.mean(statistics.median(column) for column in columns))


def run(module: str, *arguments: Path | str) -> dict[str, Any]:
    """The figures of one contestant in a process of its own."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main(sys.argv[1:])
