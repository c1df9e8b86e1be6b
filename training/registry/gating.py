"""Gates of projects, and the verdict that a version carries."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import Project, User
from audit.services import record
from core.exceptions import InvalidInput
from training.fit.benchmarks.names import BENCHMARKS
from training.runs.models import RunKind

from . import gate
from .models import Evaluation, Gate, ModelVersion
from .selectors import production

SAFETY = "safety"
WIN_RATE = "win rate"


@transaction.atomic
def set_gate(
    *, project: Project, kind: str, thresholds: Mapping[str, Any], actor: User | None
) -> Gate:
    """Replace the thresholds of a kind of model; names and bounds as in `gate.Thresholds`.

    Raises:
        InvalidInput: an unknown kind, threshold or benchmark, or a number out of its range.
    """
    if kind not in RunKind.values:
        raise InvalidInput(f"`kind` is {kind!r}: choose {' or '.join(RunKind.values)}.")
    gate.thresholds(kind, thresholds)
    if unknown := sorted(set(thresholds.get("benchmarks") or {}) - set(BENCHMARKS)):
        raise InvalidInput(
            f"There is no benchmark {unknown[0]!r}: choose one of {', '.join(BENCHMARKS)}."
        )
    row, _ = Gate.objects.update_or_create(
        project=project,
        kind=kind,
        defaults={"thresholds": dict(thresholds), "updated_by": actor},
    )
    record(
        action="gate set",
        actor=actor,
        project=project,
        target=f"{kind} gate",
        thresholds=dict(thresholds),
    )
    return row


def gate_of(project: Project, kind: str) -> gate.Thresholds:
    """The thresholds in force: the project's own over the defaults of the kind."""
    row = Gate.objects.filter(project=project, kind=kind).first()
    return gate.thresholds(kind, row.thresholds if row else {})


def gate_as_dict(project: Project, kind: str) -> dict[str, Any]:
    """The thresholds in force as plain JSON values."""
    values = dataclasses.asdict(gate_of(project, kind))
    return {"kind": kind, "thresholds": values}


def check_gate(version: ModelVersion) -> gate.Verdict:
    """Judge a version by its project's gate, and keep the verdict with it."""
    verdict = gate.judge(gate_of(version.project, version.kind), figures_of(version))
    version.gate = verdict.as_dict()
    version.save(update_fields=["gate"])
    return verdict


def figures_of(version: ModelVersion) -> dict[str, Any]:
    """All that the gate reads of a version: its run's report, its probe, its evaluations."""
    figures: dict[str, Any] = dict(version.metrics)
    report = version.run.report
    if "kl_to_reference" in report:
        figures["kl_to_reference"] = report["kl_to_reference"]
    newest = newest_evaluations(version)
    if SAFETY in newest:
        figures["safety_evaluation"] = newest[SAFETY]
    if WIN_RATE in newest:
        figures["win_rate"] = newest[WIN_RATE]
    figures["benchmarks"] = {name: newest[name]["score"] for name in BENCHMARKS if name in newest}
    current = production(version.project, version.kind)
    if current is not None and current != version:
        probe = version.metrics.get("probe", {})
        compared = probe.get("production") or {}
        same = compared.get("version") == current.pk
        figures["production"] = compared if same else {}
    return figures


def newest_evaluations(version: ModelVersion) -> dict[str, dict[str, Any]]:
    """Figures of the newest finished evaluation of each name."""
    rows = Evaluation.objects.filter(version=version).exclude(figures={}).order_by("pk")
    return dict(rows.values_list("name", "figures"))
