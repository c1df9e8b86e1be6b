"""Labelling under load: Next + submit as the browser does them, beside Label Studio.

make bench-labelling                  everything, about 12 minutes with the peer installed
make bench-labelling ARGS=--quick     1 and 8 clients for some seconds, 50,000 instead of a million
make bench-labelling ARGS=--no-peer   without Label Studio

Ours answers a submit with the instance after the next, rendered: what an annotator can wait for
is that one round trip. The peer's is its `next` and its `submit` together. Both commit durably.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.labelling import page, peer, serving
from tests.bench.report import Report

if TYPE_CHECKING:
    from accounts.models import Project

PAIRS = 10_000
OVERLAP_OF_MANY = 3
PEOPLE = 64


@dataclass(frozen=True)
class Plan:
    """How long and how much."""

    clients: Sequence[int]
    seconds: float
    many: int

    @property
    def many_name(self) -> str:
        return "1m" if self.many == 1_000_000 else f"{self.many // 1000}k"


FULL = Plan((1, 8, 64), 20, 1_000_000)
QUICK = Plan((1, 8), 5, 50_000)
WARM_UP_SECONDS = 3


def main(arguments: list[str]) -> None:
    """Measure ours at both sizes, the page in a browser, then the peer."""
    import django

    plan = QUICK if "--quick" in arguments else FULL
    serving.prepare()
    django.setup()
    with Report("labelling") as report:
        ours = measure_ours(report, plan)
        if "--no-peer" in arguments:
            report.not_measured("Label Studio", "left out with --no-peer")
            compare(report, ours["10k", 8], None)
        else:
            measure_peer(report, plan, ours["10k", 8])
        growth = {
            name: ours[plan.many_name, 8][name]["p95"] / ours["10k", 8][name]["p95"]
            for name in ("wait", "submit")
        }
        report.add(f"next_p95_growth_10k_to_{plan.many_name}", growth["wait"], "times")


def measure_ours(report: Report, plan: Plan) -> dict[tuple[str, int], dict[str, Any]]:
    """Every size with every number of clients; results by (size, clients)."""
    from tests.bench.labelling import data

    people = data.make_people(PEOPLE)
    few = data.make_project("few", people, overlap=1)
    data.make_pairs(few, PAIRS, overlap=1)
    many = data.make_project("many", people, overlap=OVERLAP_OF_MANY)
    data.multiply_pairs(few, many, plan.many, overlap=OVERLAP_OF_MANY)
    results = {}
    with serving.web(Path(os.environ["TANDEM_VAR"]) / "web.log") as (port, web):
        for size, project, overlap in (
            ("10k", few, 1),
            (plan.many_name, many, OVERLAP_OF_MANY),
        ):
            for clients in plan.clients:
                results[size, clients] = measure(plan, project, clients, port, web)
            tell(report, size, {n: results[size, n] for n in plan.clients})
            check(report, size, project, overlap, results)
        page.measure(report, port, "few", "annot0")
    return results


def measure(plan: Plan, project: Project, clients: int, port: int, web: int) -> dict[str, Any]:
    """One number of clients on one project."""
    job = {
        "adapter": "tandem",
        "port": port,
        "project": project.slug,
        "first": 0,
        "clients": clients,
        "warm_up": WARM_UP_SECONDS,
        "seconds": plan.seconds,
    }
    return serving.drive(job, [web, postmaster()])


def postmaster() -> int:
    """The process of this run's PostgreSQL."""
    lock = Path(os.environ["TANDEM_VAR"]) / "postgres" / "postmaster.pid"
    return int(lock.read_text().split("\n", 1)[0])


def tell(report: Report, size: str, results: dict[int, dict[str, Any]]) -> None:
    """The figures of one size; where the peer is measured too, 8 clients follow with it."""
    for clients, result in results.items():
        where = f"{clients}_clients_{size}"
        if (clients, size) != (8, "10k"):
            report.add(f"annotations_per_s_{where}", result["per_s"], "1/s")
        for percentile in ("p50", "p95"):
            name = f"submit_and_next_{percentile}_{where}"
            report.add(name, result["wait"][percentile], "ms")
        report.add(f"client_cpu_{where}", result["client_cpu_ms"], "ms/label")
        if (clients, size) != (8, "10k"):
            report.add(f"server_cpu_{where}", result["server_cpu_ms"], "ms/label")
        if result["errors"]:
            report.not_measured(where, f"{len(result['errors'])} errors: {result['errors'][0]}")


def check(
    report: Report,
    size: str,
    project: Project,
    overlap: int,
    results: dict[tuple[str, int], dict[str, Any]],
) -> None:
    """What must be zero, after everything that was sent to a project."""
    from tests.bench.labelling import data

    sent = [each for (at, _), result in results.items() if at == size for each in result["stored"]]
    if size != "10k":
        report.add(f"given_twice_{size}", data.given_twice(project, overlap), "labels")
    else:
        results["10k", 8]["given_twice"] = data.given_twice(project, overlap)
    report.add(f"lost_or_doubled_submits_{size}", data.lost(project, sent), "labels")


def measure_peer(report: Report, plan: Plan, ours: dict[str, Any]) -> None:
    """The same annotators on Label Studio, then the comparison."""
    try:
        with peer.label_studio(PAIRS) as running:
            job = {
                "adapter": "label studio",
                "script": str(running.script),
                "port": running.port,
                "project": running.project,
                "clients": 8,
                "warm_up": WARM_UP_SECONDS,
                "seconds": 2 * plan.seconds,
            }
            theirs = serving.drive(job, running.processes)
    except peer.NotAvailable as reason:
        report.not_measured(peer.NAME, str(reason))
        compare(report, ours, None)
        return
    theirs["given_twice"] = len(theirs["stored"]) - len(set(theirs["stored"]))
    compare(report, ours, theirs)
    if theirs["errors"]:
        report.not_measured(peer.NAME, f"{len(theirs['errors'])} errors: {theirs['errors'][0]}")


def compare(report: Report, ours: dict[str, Any], theirs: dict[str, Any] | None) -> None:
    """Eight clients on ten thousand pairs, side by side."""
    name = peer.NAME if theirs else None
    theirs = theirs or {}

    def add(case: str, value: float, peer_value: float | None, unit: str, **how: bool) -> None:
        report.add(f"{case}_8_clients_10k", value, unit, peer=name, peer_value=peer_value, **how)

    add("annotations_per_s", ours["per_s"], theirs.get("per_s"), "1/s", higher_is_better=True)
    for percentile in ("p50", "p95"):
        mine = ours["wait"][percentile]
        for act in ("wait", "next", "submit"):
            other = theirs.get(act, {}).get(percentile)
            case = f"submit_and_next_{percentile}_against_their_{act}"
            add(case if act != "wait" else f"wait_per_label_{percentile}", mine, other, "ms")
        add(f"next_on_hand_{percentile}", ours["next"][percentile], None, "ms")
    add("given_twice", ours["given_twice"], theirs.get("given_twice"), "labels")
    add("server_cpu", ours["server_cpu_ms"], theirs.get("server_cpu_ms"), "ms/label")


if __name__ == "__main__":
    main(sys.argv[1:])
