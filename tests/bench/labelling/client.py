"""The client process: virtual annotators, a thread each, that label without thinking.

    python -m tests.bench.labelling.client '{"adapter": "tandem", "port": 8000, …}'

It logs everybody in, warms up, prints `ready`, waits for a line, measures, and prints one JSON
object. In a process of its own, its CPU time is its own too. The same loop drives the peer.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path
from typing import Any, Protocol

from .browsing import Browser, Labelling

PASSWORD = "bench-Pw-123456"


class Person(Protocol):
    """One annotator who is logged in. `next` and `submit` are what people wait for."""

    def next(self) -> Any | None: ...

    def submit(self, task: Any) -> str:
        """Returns an id of what was stored (ours) or of the task (the peer's)."""


def tandem_people(job: dict[str, Any]) -> list[Person]:
    """Ours: through the pages' own routes, with login, CSRF tokens and rendered fragments."""
    people: list[Person] = []
    for number in range(job["first"], job["first"] + job["clients"]):
        person = Labelling(Browser(job["port"]), job["project"])
        person.log_in(f"annot{number}", PASSWORD)
        person.open()
        people.append(person)
    return people


class PeerPerson:
    """An annotator of Label Studio, through the shared script's adapter: its JSON interface."""

    def __init__(self, adapter: Any, client: Any, project: int) -> None:
        self.adapter, self.client, self.project = adapter, client, project

    def next(self) -> Any | None:
        return self.adapter.next(self.client, self.project)

    def submit(self, task: Any) -> str:
        self.adapter.submit(self.client, self.project, task)
        return str(task["id"])


def load_peers(script: Path) -> Any:
    """The shared script as a module."""
    spec = importlib.util.spec_from_file_location("label_loop", script)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def peer_people(job: dict[str, Any]) -> list[Person]:
    """The peer's annotators, made on first use through its invitation link."""
    adapter = load_peers(Path(job["script"])).LabelStudio(job["port"], Namespace())
    adapter.setup()
    clients = adapter.annotators(job["clients"])
    return [PeerPerson(adapter, client, int(job["project"])) for client in clients]


ADAPTERS = {"tandem": tandem_people, "label studio": peer_people}


class Loop:
    """All annotators at once for some seconds; the times of each act are in seconds."""

    def __init__(self, people: list[Person]) -> None:
        self.people = people
        self.lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self.next: list[float] = []
        self.submit: list[float] = []
        self.stored: list[str] = []
        self.errors: list[str] = []

    def run(self, seconds: float) -> float:
        """Returns how long it took until the last one had finished."""
        self.clear()
        began = time.perf_counter()
        threads = [
            threading.Thread(target=self.label, args=(person, began + seconds))
            for person in self.people
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def label(self, person: Person, until: float) -> None:
        nexts, submits, stored = [], [], []
        try:
            while (start := time.perf_counter()) < until:
                task = person.next()
                here = time.perf_counter()
                if task is None:
                    break
                stored.append(person.submit(task))
                nexts.append(here - start)
                submits.append(time.perf_counter() - here)
        except Exception as error:  # noqa: BLE001 - reported with the figures
            self.errors.append(repr(error)[:300])
        with self.lock:
            self.next += nexts
            self.submit += submits
            self.stored += stored


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds, nearest rank from above."""
    ordered = sorted(seconds) or [0.0]
    return {
        f"p{p}": ordered[min(len(ordered) - 1, p * len(ordered) // 100)] * 1000 for p in (50, 95)
    }


def cpu() -> float:
    """CPU seconds of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(job: dict[str, Any]) -> None:
    loop = Loop(ADAPTERS[job["adapter"]](job))
    loop.run(job["warm_up"])
    before = loop.stored
    print("ready", flush=True)
    sys.stdin.readline()
    began = cpu()
    wall = loop.run(job["seconds"])
    done = len(loop.stored)
    wait = [first + second for first, second in zip(loop.next, loop.submit, strict=True)]
    result = {
        "annotations": done,
        "per_s": done / wall,
        "client_cpu_ms": (cpu() - began) / max(done, 1) * 1000,
        "next": percentiles(loop.next),
        "submit": percentiles(loop.submit),
        "wait": percentiles(wait),
        "stored": before + loop.stored,
        "errors": loop.errors,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
