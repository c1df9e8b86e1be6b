"""Frozen held-out rows of a project: every version of a kind is measured on the same ones."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from accounts.models import Project, User
from annotation.datasets.models import Snapshot
from audit.services import record
from core.artifacts import fetch, publish
from core.exceptions import InvalidInput
from core.files import sha256_of
from core.hashing import unit_interval
from training.fit.files import replace_file

from .models import Probe

MOST_ROWS = 500
ROWS = "rows.parquet"


def probe_of(project: Project, kind: str) -> Probe | None:
    """The probe in use: the one with the highest number."""
    return Probe.objects.filter(project=project, kind=kind).order_by("-number").first()


def rows_of(probe: Probe) -> Path:
    """The probe's file on this machine.

    Raises:
        InvalidInput: it is not what was frozen.
    """
    path = fetch(str(Path(probe.file).parent)) / ROWS
    if sha256_of(path) != probe.sha256:
        raise InvalidInput(f"The file of {probe} has been changed: freeze a new probe.")
    return path


def ensure_probe(snapshot: Snapshot, kind: str) -> Probe | None:
    """The project's probe, frozen from this snapshot where there is none yet.

    None where the snapshot has no test rows to freeze.
    """
    known = probe_of(snapshot.project, kind)
    if known is not None:
        return known
    try:
        return freeze_probe(snapshot=snapshot, kind=kind, created_by=None)
    except InvalidInput:
        return None


@transaction.atomic
def freeze_probe(*, snapshot: Snapshot, kind: str, created_by: User | None) -> Probe:
    """A new probe from the test rows of a snapshot; older ones stay as they are.

    At most `MOST_ROWS` rows by salted hash of the prompt, in turns over all prompts.

    Raises:
        InvalidInput: the snapshot has no test rows with two completions of one prompt.
    """
    Project.objects.select_for_update().get(pk=snapshot.project_id)
    table = _chosen(snapshot, kind)
    last = Probe.objects.filter(project=snapshot.project, kind=kind).aggregate(n=Max("number"))
    number = (last["n"] or 0) + 1
    name = f"probes/{snapshot.project_id}/{kind}-{number}"
    path = Path(settings.MEDIA_ROOT) / name / ROWS
    replace_file(path, lambda target: pq.write_table(table, target))
    publish(path.parent, name)
    probe = Probe.objects.create(
        project=snapshot.project,
        kind=kind,
        number=number,
        file=f"{name}/{ROWS}",
        sha256=sha256_of(path),
        rows=table.num_rows,
        created_by=created_by,
    )
    record(
        action="probe frozen",
        actor=created_by,
        project=snapshot.project,
        target=f"{kind} probe {number}",
        snapshot=snapshot.content_hash,
        rows=table.num_rows,
    )
    return probe


def _chosen(snapshot: Snapshot, kind: str) -> pa.Table:
    path = Path(settings.MEDIA_ROOT) / snapshot.folder / "test.parquet"
    table = pq.read_table(path) if path.is_file() else None
    rows = [] if table is None else [k for k, r in enumerate(table.to_pylist()) if _usable(r)]
    if table is None or not rows:
        raise InvalidInput(f"{snapshot} has no test rows with two completions of one prompt.")
    hashes = table.column("prompt_hash").to_pylist()
    salt = f"probe {snapshot.project_id} {kind}"
    rows.sort(key=lambda k: (unit_interval(salt, hashes[k]), hashes[k], k))
    seen: Counter[str] = Counter()
    turn = {}
    for k in rows:
        turn[k] = seen[hashes[k]]
        seen[hashes[k]] += 1
    # A row of each prompt, then another of each: few prompts must not fill the probe.
    kept = sorted(rows, key=turn.__getitem__)[:MOST_ROWS]
    return table.take(kept)


def _usable(row: dict[str, Any]) -> bool:
    return len(row["completions"]) >= 2 and not any(row.get("own_prompts") or ())
