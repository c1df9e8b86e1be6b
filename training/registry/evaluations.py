"""Evaluations of model versions: benchmarks, other test rows, and the probe with production."""

import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import pyarrow.parquet as pq
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from annotation.datasets.models import Snapshot
from audit.services import record
from core.artifacts import fetch, publish
from core.exceptions import ApplicationError, InvalidInput
from jobs import services as jobs
from jobs.context import JobContext
from jobs.exceptions import JobFailed
from training.fit.benchmarks.names import BENCHMARKS
from training.fit.figures.metrics import Outcome
from training.fit.figures.paired import difference, kept_outcomes
from training.runs.commands import run_command
from training.runs.folders import below
from training.runs.models import RunKind
from training.runs.services import held

from . import folders, policies, probes
from .gating import SAFETY, check_gate
from .models import Evaluation, ModelVersion, Probe
from .scale import scale_on
from .selectors import production

KIND = "training.evaluate"
PROBE = "probe"
BEST_OF_N = "best of n"
SUFFIXES = (".parquet", ".jsonl", ".json")
# Where `keep_benchmark` puts a file: a folder named by its content, and one of its names.
KEPT = re.compile(r"(benchmarks/[0-9a-f]{64})/(data\.[a-z]+)")
MOST_BYTES = 256 * 2**20


@transaction.atomic
def start_evaluation(
    *, version: ModelVersion, name: str, source: dict[str, Any], created_by: User | None
) -> Evaluation:
    """Submit an evaluation of a version.

    `name` and `source` go together:

    - a benchmark (of `BENCHMARKS`, reward models only): {"path": a file or folder below
      MODEL_ROOTS}, or {"file": what `keep_benchmark` gave};
    - "probe", compared with the version in production: nothing;
    - "best of n": as `policies.check_source` says;
    - "safety", or a name of one's own: {"snapshot": id}, whose test rows are evaluated.

    Raises:
        InvalidInput: the source does not fit the name, or is not there.
    """
    wanted = _checked(version, name.strip()[:60], source)
    row = Evaluation.objects.create(
        version=version, name=name.strip()[:60], source=wanted, created_by=created_by
    )
    row.job = jobs.submit(
        kind=KIND,
        project=version.project,
        arguments={"evaluation": row.pk},
        created_by=created_by,
        unique_key=f"evaluation:{version.pk}:{row.name}",
    )
    row.save(update_fields=["job"])
    record(
        action="evaluation started",
        actor=created_by,
        project=version.project,
        target=f"model version {version.pk}",
        name=row.name,
        source=wanted,
    )
    return row


def _checked(version: ModelVersion, name: str, source: dict[str, Any]) -> dict[str, Any]:
    if name in BENCHMARKS:
        if version.kind != RunKind.REWARD:
            raise InvalidInput(_("Benchmarks are for reward models: evaluate one of those."))
        path = benchmark_path(source)
        return dict(source) | {"benchmark": name, "name": path.name}
    if name in (PROBE, BEST_OF_N):
        wanted = policies.check_source(version, source) if name == BEST_OF_N else {}
        probe = probes.ensure_probe(version.run.snapshot, version.kind)
        if probe is None:
            raise InvalidInput(_("The snapshot of this version has no test rows to probe with."))
        return wanted | {"probe": probe.pk}
    snapshots, wanted_pk = Snapshot.objects.filter(project=version.project), source.get("snapshot")
    found = snapshots.filter(pk=wanted_pk).first() if isinstance(wanted_pk, int) else None
    if not name or found is None:
        raise InvalidInput(
            _("Choose a benchmark (%(known)s), probe, or a name with a snapshot of this project.")
            % {"known": ", ".join(BENCHMARKS)}
        )
    _test_rows(found)
    return {"snapshot": found.pk, "content_hash": found.content_hash}


def _test_rows(snapshot: Snapshot) -> Path:
    path = Path(settings.MEDIA_ROOT) / snapshot.folder / "test.parquet"
    if not path.is_file():
        raise InvalidInput(_("The snapshot has no test rows: build one with a test split."))
    return path


def benchmark_path(source: dict[str, Any]) -> Path:
    """The file or folder of a benchmark: kept by `keep_benchmark`, or below MODEL_ROOTS.

    Raises:
        InvalidInput: there is none.
    """
    if "file" in source:
        found = KEPT.fullmatch(str(source["file"]))
        kept = fetch(found[1]) / found[2] if found else None
        if kept is not None and kept.is_file():
            return kept
    elif source.get("path"):
        for root in settings.MODEL_ROOTS:
            path = below(root, source["path"])
            if path not in (None, root) and os.path.exists(path):  # noqa: PTH110 - see `below`
                return path
    raise InvalidInput(
        _("There is no such benchmark file: put it into one of the folders of MODEL_ROOTS.")
    )


def keep_benchmark(*, name: str, chunks: Iterable[bytes]) -> str:
    """Keep an uploaded file below MEDIA_ROOT, named by its content; what `source["file"]` takes.

    Raises:
        InvalidInput: it is none of `SUFFIXES`, or too large.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInput(
            _("%(name)s: hand in a file that ends in %(choices)s.")
            % {"name": name[:80], "choices": ", ".join(SUFFIXES)}
        )
    folder = Path(settings.MEDIA_ROOT) / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    partial = folder / f".{uuid.uuid4().hex}.part"
    with partial.open("wb") as target:
        for chunk in chunks:
            size += len(chunk)
            if size > MOST_BYTES:
                partial.unlink()
                raise InvalidInput(_("The file is larger than 256 MiB."))
            digest.update(chunk)
            target.write(chunk)
    kept = folder / digest.hexdigest() / f"data{suffix}"
    kept.parent.mkdir(exist_ok=True)
    partial.replace(kept)
    publish(kept.parent, f"benchmarks/{kept.parent.name}")
    return str(kept.relative_to(settings.MEDIA_ROOT))


# --- The job ----------------------------------------------------------------------------------


def evaluate(ctx: JobContext) -> dict[str, Any]:
    """The job kind "training.evaluate": arguments are `{"evaluation": id}`."""
    row = Evaluation.objects.select_related("version__run__snapshot", "version__project").get(
        pk=ctx.arguments["evaluation"]
    )
    if row.name == PROBE:
        figures = compare(ctx, row.version, Probe.objects.get(pk=row.source["probe"]))
    elif row.name == BEST_OF_N:
        rows = probes.rows_of(Probe.objects.get(pk=row.source["probe"]))
        figures = policies.best_of_n(ctx, row.version, row.source, rows)
    elif "benchmark" in row.source:
        path = benchmark_path(row.source)
        figures = _figures(ctx, row.version, path, row.name, benchmark=row.source["benchmark"])
    else:
        snapshot = Snapshot.objects.get(pk=row.source["snapshot"])
        figures = _figures(ctx, row.version, _test_rows(snapshot), row.name)
    with held(ctx):
        row.figures = figures
        row.save(update_fields=["figures"])
        check_gate(row.version)
    return {"evaluation": row.pk, "figures": figures}


def _figures(
    ctx: JobContext, version: ModelVersion, data: Path, name: str, **more: Any
) -> dict[str, Any]:
    config = version.run.config
    values = {
        "model": str(folders.local(version)),
        "data": str(data),
        "kind": str(version.kind),
        "max_length": config.get("max_length", 512),
        "max_prompt_length": config.get("max_prompt_length"),
    }
    folder = f"{_plain(name)}-{version.pk}"
    return run_command(ctx, "evaluate", values | more, name=folder)


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)[:40]


# --- The probe --------------------------------------------------------------------------------


def after_run(ctx: JobContext, version: ModelVersion) -> None:
    """Measure a new version on the project's probe beside production, and judge it by the gate.

    A version that cannot be measured stays what it is, a candidate without these figures; the
    log says why.
    """
    probe = probes.ensure_probe(version.run.snapshot, version.kind)
    if probe is None:
        ctx.log("No test rows to compare with production on.", level="warning")
    else:
        try:
            compare(ctx, version, probe)
        except (JobFailed, ApplicationError) as error:
            ctx.log(f"Not compared with production: {error}", level="warning")
    verdict = check_gate(version)
    refusal = f"The gate refuses it: {'; '.join(verdict.reasons)}."
    ctx.log("The gate lets it pass." if verdict.passed else refusal)


def compare(ctx: JobContext, version: ModelVersion, probe: Probe) -> dict[str, Any]:
    """Figures of a version on a probe, kept in its metrics, with its scale for reward models.

    Raises:
        JobFailed: one of the two models cannot be run.
        JobFenced: another attempt has the job; nothing is written.
    """
    report, ours = _on_probe(ctx, version, probe)
    figures: dict[str, Any] = {"probe": probe.number, "sha256": probe.sha256, **report}
    current = production(version.project, version.kind)
    other: tuple[ModelVersion, list[Outcome]] | None = None
    if current is not None and current != version:
        other = (current, _on_probe(ctx, current, probe)[1])
        seen = trained_on(version) | trained_on(current)
        figures["production"] = {"version": current.pk, "number": current.version} | difference(
            ours, other[1], seen
        )
    with held(ctx):
        version.refresh_from_db(fields=["metrics", "scale"])
        if version.kind == RunKind.REWARD and version != current:
            version.scale = scale_on(ours, other)
        version.metrics = version.metrics | {"probe": figures}
        version.save(update_fields=["metrics", "scale"])
    return figures


def _on_probe(
    ctx: JobContext, version: ModelVersion, probe: Probe
) -> tuple[dict[str, Any], list[Outcome]]:
    rows = probes.rows_of(probe)
    report = _figures(ctx, version, rows, PROBE)
    folder = ctx.folder / f"{PROBE}-{version.pk}"
    return report, kept_outcomes(rows, folder / "outcomes.parquet")


def trained_on(version: ModelVersion) -> frozenset[str]:
    """Hashes of the prompts that the version was trained on: its probe figures leave them out."""
    path = Path(settings.MEDIA_ROOT) / version.run.snapshot.folder / "train.parquet"
    if not path.is_file():
        return frozenset()
    return frozenset(pq.read_table(path, columns=["prompt_hash"]).column(0).to_pylist())


__all__ = ["BENCHMARKS", "PROBE", "SAFETY", "after_run", "evaluate", "start_evaluation"]
