"""Reads about model versions and where they come from."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import Project
from annotation.datasets.models import Snapshot
from core.exceptions import NotFound
from jobs.models import Job
from training.fit.card.text import scale_text, without_front_matter
from training.runs.config import COUNTED
from training.runs.models import Run

from .folders import text_of
from .models import ModelVersion, Stage


def versions_of(project: Project) -> QuerySet[ModelVersion]:
    """The project's model versions, newest first."""
    return (
        ModelVersion.objects.filter(project=project)
        .select_related("run__job", "run__snapshot")
        .order_by("-pk")
    )


def version_in(project: Project, version_id: int) -> ModelVersion:
    """One model version of the project.

    Raises:
        NotFound: there is no such version in this project.
    """
    version = versions_of(project).filter(pk=version_id).first()
    if version is None:
        raise NotFound("There is no such model version in this project.")
    return version


def production(project: Project, kind: str) -> ModelVersion | None:
    """The version in production, if there is one."""
    return versions_of(project).filter(kind=kind, stage=Stage.PRODUCTION).first()


@dataclass(frozen=True)
class Lineage:
    """From a figure back to the labels behind it."""

    figures: dict[str, Any]
    version: ModelVersion
    run: Run
    job: Job | None
    snapshot: Snapshot
    query: dict[str, Any]
    # What the snapshot counted when it was built: rows by split, labels by kind, …
    counts: dict[str, Any]


def lineage(version: ModelVersion) -> Lineage:
    """The run, the snapshot and the label counts behind a version's figures."""
    run = version.run
    manifest = run.snapshot.manifest
    return Lineage(
        figures=version.metrics,
        version=version,
        run=run,
        job=run.job,
        snapshot=run.snapshot,
        query=run.snapshot.query,
        counts={name: manifest[name] for name in COUNTED if name in manifest},
    )


def card_of(version: ModelVersion) -> str:
    """The model card in Markdown, with the scale it has by now; empty where its file is gone."""
    text = without_front_matter(text_of(version, "model_card.md"))
    return f"{text}\n{scale_text(version.scale)}\n" if text and version.scale else text
