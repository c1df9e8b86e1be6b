"""Exports of a million labels: how fast, and in how much memory. Called by bench_data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.report import Report

if TYPE_CHECKING:
    from accounts.models import Project
    from annotation.datasets.models import Snapshot

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("jsonl", "parquet", "csv")
SAMPLE_SECONDS = 0.1
# Label Studio's own JSON export of 10,000 records, measured on this kind of machine.
PEER, PEER_RECORDS, PEER_SECONDS = "Label Studio (recorded)", 10_000, 29.0
# An export in a process of its own, so that its memory is its own. What importing alone takes is
# told too.
EXPORT = """
import django, json, sys, time; django.setup()
from annotation.datasets.exporters import export
from annotation.datasets.models import Export, Snapshot
pk, shape, format = sys.argv[1:]
Export.objects.filter(shape=shape, format=format).delete()
snapshot = Snapshot.objects.get(pk=pk)
began = time.monotonic()
row = export(snapshot=snapshot, shape=shape, format=format, options={"shard_rows": 250_000})
seconds = time.monotonic() - began
peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]
print(json.dumps({"rows": row.rows, "bytes": row.bytes, "seconds": seconds, "peak": int(peak)}))
"""


@dataclass(frozen=True)
class Measured:
    """What a child said of itself, and its resident memory in MB while it ran."""

    rows: int
    seconds: float
    peak_mb: float
    bytes: int
    samples: list[float]

    @property
    def rate(self) -> float:
        return self.rows / self.seconds

    @property
    def growth(self) -> float:
        """The memory of the last quarter over that of the second: 1 is flat."""
        quarter = len(self.samples) // 4
        early, late = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        return max(late) / max(early) if quarter else 1.0


def measure(report: Report, snapshot: Snapshot) -> None:
    """The long form of a stored snapshot in three formats; the slowest and largest count."""
    found = {name: run(snapshot.pk, "annotations", name) for name in FORMATS}
    for name, each in found.items():
        report.add(f"export_{name}_rows_per_s", each.rate, "1/s", higher_is_better=True)
        report.add(f"export_{name}_rss_mb", each.peak_mb, "MB")
    slowest = min(found.values(), key=lambda each: each.rate)
    report.add("export_1m_rows_per_s", slowest.rate, "1/s", higher_is_better=True)
    report.add("export_1m_rss_mb", max(each.peak_mb for each in found.values()), "MB")
    report.add("export_1m_rss_growth", max(each.growth for each in found.values()), "×")


def measure_live(report: Report, project: Project) -> Snapshot:
    """From live tables to a file: the snapshot is built first."""
    from annotation.datasets.services import build_snapshot

    began = time.monotonic()
    snapshot = build_snapshot(project=project, query={"splits": {"test": 0.1}})
    built = time.monotonic() - began
    made = run(snapshot.pk, "annotations", "parquet")
    rate = made.rows / (built + made.seconds)
    report.add("export_live_rows_per_s", rate, "1/s", higher_is_better=True)
    return snapshot


def measure_peer(report: Report, snapshot: Snapshot) -> None:
    """Instances with all their labels as JSON, beside what the peer took for as many."""
    made = run(snapshot.pk, "interchange", "jsonl")
    seconds = made.seconds * PEER_RECORDS / made.rows
    report.add("export_10k_seconds", seconds, "s", peer=PEER, peer_value=PEER_SECONDS)


def run(snapshot: int, shape: str, file_format: str) -> Measured:
    """One export in a child; raises where it fails."""
    command = [sys.executable, "-c", EXPORT, str(snapshot), shape, file_format]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    samples: list[float] = []
    while child.poll() is None:
        samples.append(_resident(child.pid))
        time.sleep(SAMPLE_SECONDS)
    assert child.stdout is not None
    said = child.stdout.read()
    if child.returncode:
        raise RuntimeError(f"The export as {file_format} ended with {child.returncode}.")
    told: dict[str, Any] = json.loads(said)
    return Measured(told["rows"], told["seconds"], told["peak"] / 1024, told["bytes"], samples)


def _resident(pid: int) -> float:
    """MB of 2^20 bytes; 0 where the process has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line for line in lines if line.startswith("VmRSS")]
    return int(found[0].split()[1]) / 1024 if found else 0.0
