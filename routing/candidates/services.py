"""Preparing data for annotators: of each instance the k candidates that are worth comparing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models import Count

from accounts.models import Project
from annotation.instances.models import Completion, Instance, InstanceState
from annotation.labels.models import Annotation, AnnotatorKind
from core.exceptions import InvalidInput
from routing.features.models import Embedding
from routing.features.project import encoder_of
from routing.features.table import Floats

from .selecting import Chosen, choose

BATCH = 500
NO_EMBEDDING, PARTS, FEW = "have no embeddings", "hold more than text", "have not more candidates"


@dataclass
class Report:
    """What was written; `left_out` counts by reason what was not."""

    instances: int = 0
    homogeneous: int = 0
    with_quality: int = 0
    diversity_before: float = 0.0
    diversity: float = 0.0
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def warning(self) -> str:
        """Blank where candidates differ; else why more labels will teach little."""
        if not self.instances or 2 * self.homogeneous < self.instances:
            return ""
        share = 100 * self.homogeneous / self.instances
        return (
            f"The candidates of {share:.0f} % of the instances hardly differ: preferences between "
            "them say little. Sample with more variety, or prompt for answers that disagree."
        )

    def leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1

    def take(self, chosen: Chosen, *, known: bool) -> None:
        """Means over the instances so far."""
        self.instances += 1
        self.homogeneous += chosen.homogeneous
        self.with_quality += known
        self.diversity += (chosen.diversity - self.diversity) / self.instances
        before = chosen.diversity_before
        self.diversity_before += (before - self.diversity_before) / self.instances


def narrowed(
    project: Project, keep: int, report: Report, *, weight: float = 1.0
) -> Iterator[dict[str, Any]]:
    """Lines of the interchange format with `keep` candidates of each instance that has more.

    Nothing in the project changes: the lines are imported where they are to be labelled. Quality
    is what the project's judges and reward models said: their scores, else their ranks. Counted
    in `report` as it goes.

    Raises:
        InvalidInput: fewer than 2 are to be kept, or no encoder has run.
    """
    if keep < 2:
        raise InvalidInput("Keep at least 2 candidates: one cannot be compared.")
    encoder = encoder_of(project)
    if not encoder:
        raise InvalidInput("Compute the features with an encoder first: there are no embeddings.")
    rows = Instance.objects.filter(project=project).annotate(held=Count("completions"))
    rows = rows.exclude(state__in=[InstanceState.DROPPED, InstanceState.GOLD]).order_by("pk")
    last = 0
    while batch := list(rows.filter(pk__gt=last).prefetch_related("completions")[:BATCH]):
        last = batch[-1].pk
        ids = [row.pk for row in batch]
        stored = Embedding.objects.filter(instance__in=ids, extractor=encoder)
        vectors = {each.instance_id: vectors_of(each) for each in stored}
        said = _qualities(ids, {row.pk: row.held for row in batch})
        for row in batch:
            line = _line(row, vectors.get(row.pk), said.get(row.pk), keep, weight, report)
            if line is not None:
                yield line


def vectors_of(stored: Embedding) -> Floats:
    """(completions, d) of an instance."""
    found = np.frombuffer(bytes(stored.vectors), "<f2").astype(np.float64)
    return np.asarray(found.reshape(-1, stored.dimensions))


def _line(  # noqa: PLR0917 - the parts of one line
    row: Instance,
    vectors: Floats | None,
    quality: Floats | None,
    keep: int,
    weight: float,
    report: Report,
) -> dict[str, Any] | None:
    completions = list(row.completions.all())
    if len(completions) <= keep:
        report.leave_out(FEW)
    elif any(each.parts or each.messages for each in completions):
        report.leave_out(PARTS)
    elif vectors is None or len(vectors) != len(completions):
        report.leave_out(NO_EMBEDDING)
    else:
        chosen = choose(vectors, keep, quality=quality, weight=weight)
        report.take(chosen, known=quality is not None)
        return _written(row, [completions[place] for place in chosen.places])
    return None


def _written(row: Instance, completions: Sequence[Completion]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": row.external_id,
        "prompt": row.messages,
        "responses": [
            {"text": each.text, "model": each.generator, "licence": each.licence}
            for each in completions
        ],
        "meta": row.metadata,
        "tags": row.tags,
    }
    return line | ({"context": row.context} if row.context else {})


def _qualities(ids: Sequence[int], held: dict[int, int]) -> dict[int, Floats]:
    """By instance (completions,) the mean over machines of score, or of minus the rank."""
    labels = Annotation.objects.filter(
        instance__in=ids,
        annotator__kind__in=[AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER],
        superseded_by__isnull=True,
        retracted=False,
    )
    found: dict[int, list[Floats]] = {}
    for pk, scores, ranking in labels.values_list("instance", "scores", "ranking"):
        given = scores or [-rank for rank in ranking]
        if len(given) == held[pk]:
            values = np.array([np.nan if each is None else each for each in given], np.float64)
            found.setdefault(pk, []).append(_scaled(values))
    # The middle stands beside what they said, and alone where none of them knew.
    return {pk: np.nanmean([*rows, np.full(held[pk], 0.5)], axis=0) for pk, rows in found.items()}


def _scaled(values: Floats) -> Floats:
    """Within [0, 1], so that a scale of five and one of ten weigh the same; NaN stays."""
    known = values[~np.isnan(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    if not high > low:
        return np.where(np.isnan(values), np.nan, 0.5)
    return np.asarray((values - low) / (high - low))
