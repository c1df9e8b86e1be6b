"""Two hundred annotators while web workers and the database are killed and started again.

Real processes throughout: a PostgreSQL cluster of its own that commits to the disk, gunicorn as
in production, and the annotators in several client processes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from embedded.processes import log_tail
from tests.bench.labelling.serving import ROOT

from .scene import OVERLAP
from .site import Site, open_site, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
PEOPLE, PROCESSES, INSTANCES = 200, 4, 400
LABELS = INSTANCES * OVERLAP
SECONDS = 150


@pytest.fixture
def site() -> Iterator[Site]:
    # Short, because a socket's path is; open, because root hands it to another user.
    folder = Path(tempfile.mkdtemp(prefix="tandem-load-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        with open_site(folder) as opened:
            yield opened
            # Shown where the test failed.
            sys.stdout.write(log_tail(opened.running.var / "web.log", 60))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_annotators(site: Site, slug: str, sessions: Sequence[str]) -> subprocess.Popen[str]:
    job = {"port": site.port, "slug": slug, "sessions": sessions}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.load.annotators", json.dumps(job)],
        cwd=ROOT,
        env=site.environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_labels(site: Site, number: int) -> None:
    wait_until(lambda: count(site) >= number, SECONDS)


def count(site: Site) -> int:
    return int(site.rows("SELECT count(*) FROM annotation_annotation")[0][0])


def test_nothing_is_lost_doubled_or_collected_twice_through_kills(site: Site) -> None:
    made = json.loads(site.run("tests.load.scene", str(PEOPLE), str(INSTANCES)))
    site.start_web()
    groups = [made["sessions"][start::PROCESSES] for start in range(PROCESSES)]
    clients = [start_annotators(site, made["slug"], sessions) for sessions in groups]
    faults = (site.kill_workers, site.kill_database, site.kill_web, site.kill_database)
    reached = []
    for number, fault in enumerate(faults, 1):
        wait_for_labels(site, number * LABELS // (len(faults) + 1))
        fault()
        reached.append(count(site))
    outcomes = [finished(client) for client in clients]
    # Each fault came while there was work to do, and the annotators felt it.
    assert max(reached) < LABELS
    assert sum(outcome["retries"] for outcome in outcomes) >= len(faults)
    assert [outcome["refused"] for outcome in outcomes] == [[]] * PROCESSES
    check_labels(site, [each for outcome in outcomes for each in outcome["acknowledged"]])


def finished(client: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = client.communicate(timeout=SECONDS)
    assert client.returncode == 0
    outcome: dict[str, Any] = json.loads(output)
    return outcome


def check_labels(site: Site, acknowledged: list[str]) -> None:
    stored = [str(row[0]) for row in site.rows("SELECT client_id FROM annotation_annotation")]
    assert len(stored) == len(set(stored))
    # No acknowledged submit is lost; and as everybody insisted, nothing else is there.
    assert sorted(acknowledged) == sorted(stored)
    per_instance = site.rows(
        "SELECT count(*), count(DISTINCT annotator_id), count(DISTINCT slot_id) "
        "FROM annotation_annotation GROUP BY instance_id"
    )
    assert per_instance == [(OVERLAP, OVERLAP, OVERLAP)] * INSTANCES
    slots = site.rows(
        "SELECT slot.state, slot.annotator_id = label.annotator_id, count(*) "
        "FROM annotation_slot AS slot LEFT JOIN annotation_annotation AS label "
        "ON label.slot_id = slot.id GROUP BY 1, 2"
    )
    assert slots == [("submitted", True, LABELS)]
