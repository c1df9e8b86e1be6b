"""Data in, data out: importing 100,000 instances, exporting a million labels, walking a list.

make bench-data                  everything, about fifteen minutes on two cores
make bench-data ARGS=--quick     a tenth of everything
make bench-data ARGS=--import    one group: --import, --list or --export

The import runs as its job does, in a process of its own, so that its memory is its own; it reads
200 MB of JSON Lines. The list is asked over HTTP of the real application server.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.report import Report

if TYPE_CHECKING:
    from accounts.models import Project, User

ROOT = Path(__file__).resolve().parents[2]
INSTANCES, LABELS = 100_000, 1_000_000
WORDS = [f"{stem}{number}" for stem in ("word", "other", "some") for number in range(2_000)]
PAGES = 60
# A page as large as a client's.
LIMIT = 100
IMPORT = """
import django, json, sys, time; django.setup()
from accounts.models import Project
from annotation.instances.uploads import start_import
from jobs.runner import run
project = Project.objects.get(pk=sys.argv[1])
with open(sys.argv[2], "rb") as file:
    job = start_import(project=project, name="in.jsonl", chunks=iter(lambda: file.read(2**20), b""))
began = time.monotonic()
run(job.pk, owner="bench")
seconds = time.monotonic() - began
job.refresh_from_db()
peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]
print(json.dumps({"result": job.result, "error": job.error, "seconds": seconds, "peak": int(peak)}))
"""


def main(arguments: list[str]) -> None:
    """Measure all of it; `--quick` takes a tenth."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.bench import data_export, data_rows

    def wanted(group: str) -> bool:
        return f"--{group}" in arguments or not {"--import", "--list", "--export"} & {*arguments}

    call_command("migrate", verbosity=0)
    part = 10 if "--quick" in arguments else 1
    with Report("data") as report:
        if wanted("import"):
            measure_import(report, INSTANCES // part)
        if wanted("list"):
            measure_list(report, LABELS // part)
        if wanted("export"):
            project = data_rows.fill(LABELS // part)
            snapshot = data_export.measure_live(report, project)
            data_export.measure(report, snapshot)
            measure_ten_thousand(report)


def measure_ten_thousand(report: Report) -> None:
    """As many records as the peer's export was measured with."""
    from annotation.datasets.services import build_snapshot
    from tests.bench import data_export, data_rows

    labels = data_export.PEER_RECORDS * data_rows.PER_INSTANCE
    project = data_rows.fill(labels, name="Ten thousand")
    data_export.measure_peer(report, build_snapshot(project=project, query={}))


def measure_import(report: Report, instances: int) -> None:
    """Instances of two completions, then the same file again: nothing changes, and all is looked
    at."""
    project = _project(f"import {instances}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.jsonl"
        write_instances(path, instances)
        report.add("import_file_mb", path.stat().st_size / 2**20, "MB")
        first = _import(project, path)
        again = _import(project, path)
    if (first["created"], again["unchanged"]) != (instances, instances):
        raise RuntimeError(f"The import did not do what it is measured for: {first}, {again}")
    name = f"import_{instances // 1000}k"
    report.add(f"{name}_seconds", first["seconds"], "s")
    report.add(f"{name}_rss_mb", first["peak"] / 1024, "MB")
    report.add(f"{name}_again_seconds", again["seconds"], "s")


def write_instances(path: Path, count: int) -> None:
    """About two kilobytes for each."""
    draw = random.Random(0)

    def text(words: int) -> str:
        return " ".join(draw.choices(WORDS, k=words))

    with path.open("w") as file:
        for number in range(count):
            row = {
                "id": f"instance {number}",
                "prompt": text(40),
                "responses": [{"text": text(105), "model": model} for model in ("one", "two")],
                "meta": {"source": "bench", "number": number},
            }
            file.write(json.dumps(row) + "\n")


def _import(project: Project, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", IMPORT, str(project.pk), str(path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if told["result"] is None:
        raise RuntimeError(f"The import failed: {told['error']}")
    return {**told["result"], **told}


def measure_list(report: Report, instances: int) -> None:
    """Pages from the beginning, the middle and the end of a long list, over HTTP."""
    from django.db import connection

    from annotation.instances.models import Instance
    from core.paging import cursor_after
    from tests.bench import data_rows
    from tests.factories import make_project, make_user

    owner = make_user(f"bench list {instances}")
    project = make_project("List", owner)
    values = {"project": project.pk, "instances": instances}
    with connection.cursor() as cursor:
        cursor.execute(data_rows.INSTANCES, values)
        cursor.execute(data_rows.COMPLETIONS, values)
    data_rows.analyse()
    keys = Instance.objects.filter(project=project).order_by("pk").values_list("pk", flat=True)
    first, last = keys[0], keys.reverse()[0]
    session = _session(owner)
    draw, third = random.Random(1), (last - first) // 3
    places: dict[str, list[int | None]] = {
        "first": [None] * PAGES,
        "middle": [draw.randint(first + third, last - third) for _ in range(PAGES)],
        "last": [last - 2 * LIMIT - draw.randint(0, LIMIT) for _ in range(PAGES)],
    }
    worst = 0.0
    with _server() as address:
        for name, after in places.items():
            urls = [
                f"{address}/api/v1/projects/{project.slug}/instances/?limit={LIMIT}"
                + ("" if key is None else f"&cursor={cursor_after(key)}")
                for key in after
            ]
            seconds = sorted(_get(url, session) for url in urls)
            p95 = seconds[int(len(seconds) * 0.95)] * 1000
            report.add(f"api_list_{name}_p95_ms", p95, "ms")
            worst = max(worst, p95)
    size = "1m" if instances >= 1_000_000 else f"{instances // 1000}k"
    report.add(f"api_list_{size}_p95_ms", worst, "ms")


def _session(user: User) -> str:
    """What the cookie of somebody who is logged in holds."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@contextmanager
def _server() -> Iterator[str]:
    """The application as it is served, on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--chdir", "platform"]
    address = f"127.0.0.1:{port}"
    environment = os.environ | {"ALLOWED_HOSTS": "127.0.0.1"}
    server = subprocess.Popen(
        [*command, "-b", address, "-w", "1", "--log-level", "error"], cwd=ROOT, env=environment
    )
    try:
        _wait_for(port)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError("The server did not start.")


def _get(url: str, session: str) -> float:
    """Seconds until the whole page is there."""
    from django.conf import settings

    request = urllib.request.Request(  # noqa: S310 - our own address
        url, headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        rows = json.load(answer)["results"]
    seconds = time.perf_counter() - began
    if len(rows) != LIMIT:
        raise RuntimeError(f"The page has {len(rows)} rows instead of {LIMIT}.")
    return seconds


def _project(name: str) -> Project:
    from tests.factories import make_project, make_user

    return make_project(name, make_user(f"bench {name}"))


if __name__ == "__main__":
    main(sys.argv[1:])
