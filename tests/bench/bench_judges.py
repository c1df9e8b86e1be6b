"""Judges: how close a run comes to the ideal rate, memory, and what a kill costs.

make bench-judges                  everything, with the consensus of bench_judges_consensus.py
make bench-judges ARGS=--quick     fewer calls and labels in each case

The endpoint, PostgreSQL and the run share this machine's cores.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.report import Report
from tests.endpoint.client import Running, endpoint

if TYPE_CHECKING:
    from annotation.judges.models import JudgeRun

ROOT = Path(__file__).resolve().parents[2]
IN_FLIGHT = 128
PRICE = 100
LATENCY = 0.5
# Asks in a process of its own, so that its memory is its own and it can be killed.
RUN = """
import django, sys; django.setup()
from jobs.models import Job
from jobs.runner import run
run(int(sys.argv[1]), owner="bench")
"""


@dataclass(frozen=True)
class Plan:
    """Instances in each case; every one takes two calls."""

    rate: int
    memory: int
    killed: int


FULL = Plan(rate=5_000, memory=50_000, killed=2_000)
QUICK = Plan(rate=1_500, memory=5_000, killed=500)


def main(arguments: list[str]) -> None:
    """Measure everything against an endpoint on this machine."""
    import django

    plan = QUICK if "--quick" in arguments else FULL
    prepare()
    django.setup()
    with Report("judges") as report:
        measure_rate(report, plan.rate)
        measure_kill(report, plan.killed)
        measure_memory(report, plan.memory)


def prepare() -> None:
    """Tables in the empty database."""
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, check=True)


def measure_rate(report: Report, instances: int) -> None:
    """Calls a second with 128 in flight at half a second each, of the 256 that are ideal."""
    with endpoint(latency=LATENCY) as server:
        run = begin(server, instances)
        began = time.monotonic()
        process = start(run)
        process.wait()
        seconds = time.monotonic() - began
        made = server.bill()
        arrivals = server.arrivals()
    check(run, made, 2 * instances)
    # From the first call to the last reply: without starting Python, with the first and last wave.
    asking = arrivals[-1] - arrivals[0] + LATENCY
    ideal = IN_FLIGHT / LATENCY
    report.add("calls_per_s_128_in_flight_500ms", 2 * instances / asking, "1/s")
    share = 2 * instances / asking / ideal
    report.add("share_of_ideal_rate", share, "of 256/s")
    report.add("share_of_ideal_rate_with_start", 2 * instances / seconds / ideal, "of 256/s")
    report.add("most_in_flight", made["most_in_flight"], "calls")


def measure_kill(report: Report, instances: int) -> None:
    """SIGKILL in the middle, then another attempt: what was stored is not bought again."""
    from annotation.judges.models import CallState, JudgeCall
    from annotation.ledger.selectors import state
    from jobs.services import sweep

    with endpoint(latency=0.05) as server:
        run = begin(server, instances)
        process = start(run)
        while server.bill()["calls"] < instances:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert run.job is not None
        type(run.job).objects.filter(pk=run.job.pk).update(lease_until="2000-01-01T00:00:00Z")
        sweep()
        start(run).wait()
        bill = server.bill()
    run.refresh_from_db()
    assert run.state == "finished", run.stop_reason
    unknown = JudgeCall.objects.filter(run=run, state=CallState.UNKNOWN).count()
    assert run.budget is not None
    money = state(run.budget)
    report.add("stored_replies_bought_again", bill["bought_again"], "calls")
    report.add("unknown_after_kill_128_in_flight", unknown, "calls")
    charged = (money.settled + money.unknown) / PRICE
    report.add("ledger_minus_bill_after_kill", charged - bill["calls"], "calls")


def measure_memory(report: Report, instances: int) -> None:
    """Memory of the asking process after a tenth of the calls, and at the end."""
    with endpoint() as server:
        run = begin(server, instances)
        began = time.monotonic()
        process = start(run)
        early = 0.0
        last = 0.0
        while process.poll() is None:
            last = resident(process.pid) or last
            if not early and server.bill()["calls"] >= 2 * instances / 10:
                early = last
            time.sleep(0.5)
        seconds = time.monotonic() - began
        check(run, server.bill(), 2 * instances)
    thousands = 2 * instances // 1000
    report.add(f"rss_at_the_end_of_{thousands}k_calls", last, "MB")
    report.add(f"rss_growth_from_{thousands // 10}k_to_{thousands}k_calls", last - early, "MB")
    report.add("calls_per_s_without_latency", 2 * instances / seconds, "1/s")


def begin(server: Running, instances: int) -> JudgeRun:
    """A project of its own with so many pairs, and a queued run of a judge at the endpoint."""
    from tests.annotation import judge_scene

    judge, budget = judge_scene.scene(server, instances, concurrency=IN_FLIGHT)
    return judge_scene.begin(judge, budget)


def start(run: JudgeRun) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "JUDGE_PRIVATE_HOSTS": "127.0.0.1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}",
    }
    command = [sys.executable, "-c", RUN, str(run.job_id)]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def check(run: JudgeRun, bill: dict[str, Any], calls: int) -> None:
    """A benchmark of something that does not work is worth nothing."""
    run.refresh_from_db()
    assert run.state == "finished", run.stop_reason
    assert run.counts["answered"] == run.total
    assert bill["calls"] == calls


def resident(pid: int) -> float:
    """Resident memory of a process, in MB of 2^20 bytes; 0 when it has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line for line in lines if line.startswith("VmRSS")]
    return int(found[0].split()[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main(sys.argv[1:])
