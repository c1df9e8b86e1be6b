"""The labels that a consensus stands on, read once per update."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Case, FloatField, QuerySet, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.models import Project
from annotation.instances.models import InstanceState
from annotation.labels.models import Annotation, AnnotatorKind
from annotation.labels.selectors import current
from annotation.queue.purposes import Purpose

from .calibrating import Calibrate
from .models import Scope
from .posterior import Vote, vote_of_scores

MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)

# (instance, criterion): what a consensus is about.
Subject = tuple[int, int]


@dataclass(frozen=True)
class Label:
    """One current annotation as consensus sees it."""

    vote: Vote
    human: bool
    simulated: bool
    review: bool = False
    scores: tuple[int | None, ...] = ()
    # Canonical positions as they were shown; None where nobody knows.
    shown: tuple[int, ...] | None = None


# Instances by id, or all from one id to another.
Chosen = Sequence[int] | range


def standing(project: Project, instances: Chosen) -> QuerySet[Annotation]:
    """Labels that stand and rank or score something."""
    rows = current(project).exclude(ranking=[], scores=[])
    # What is gold is no data, also where it was labelled before.
    rows = rows.exclude(instance__state=InstanceState.GOLD)
    if isinstance(instances, range):
        return rows.filter(instance__gte=instances.start, instance__lt=instances.stop)
    return rows.filter(instance__in=instances)


def labels_of(
    project: Project, instances: Chosen, calibrate: Calibrate | None = None
) -> dict[Subject, list[Label]]:
    """Standing labels by instance and criterion; one query.

    Judges' probabilities are calibrated where `calibrate` can.
    """
    annotations = standing(project, instances).select_related("annotator")
    labels: dict[Subject, list[Label]] = defaultdict(list)
    # No server-side cursor: its plan is one for the first rows, and slow for all of them.
    for row in annotations.order_by("instance", "pk").only(*FIELDS):
        labels[row.instance_id, row.criterion_id].append(label_of(row, calibrate))
    return labels


FIELDS = (
    "instance_id",
    "criterion_id",
    "purpose",
    "ranking",
    "unranked",
    "scores",
    "attributes",
    "shown_order",
    "annotator__kind",
    "annotator__simulated",
)


def label_of(row: Annotation, calibrate: Calibrate | None = None) -> Label:
    human = row.annotator.kind not in MACHINES
    p = None if human else row.attributes.get("verdict", {}).get("p")
    worth = (
        calibrate(row.annotator_id, row.criterion_id, p) if calibrate and p is not None else None
    )
    said = p if worth is None else worth
    vote = vote_of(
        *(row.annotator_id, row.ranking, row.unranked, row.scores, said),
        calibrated=worth is not None,
    )
    return Label(
        vote,
        human,
        row.annotator.simulated,
        row.purpose == Purpose.REVIEW,
        tuple(row.scores),
        tuple(row.shown_order) if row.shown_order else None,
    )


def vote_of(
    annotator: int,
    ranking: Sequence[int],
    unranked: Sequence[int],
    scores: Sequence[int | None],
    p: float | None,
    *,
    calibrated: bool = False,
) -> Vote:
    """What a label says; `p` is a judge's P(canonical first), calibrated or not."""
    if scores:
        return vote_of_scores(annotator, scores)
    return Vote(annotator, tuple(ranking), p, frozenset(unranked), calibrated=calibrated)


# The p of a judge or verifier in a query; of people it is none of our business.
P = Case(
    When(annotator__kind__in=MACHINES, then=Cast(KT("attributes__verdict__p"), FloatField())),
)


def chosen_for(scope: Scope, labels: Sequence[Label], *, together: bool = False) -> list[Label]:
    """The labels of a scope. A review decides: where one stands, others count no more.

    `together`: mixed takes people and judges, for a model that weighs them; else it takes judges
    only where there are no people.
    """
    people = [label for label in labels if label.human]
    reviews = [label for label in people if label.review]
    judges = [label for label in labels if not label.human]
    if scope == Scope.JUDGE:
        return judges
    if reviews or scope == Scope.HUMAN:
        return reviews or people
    return [*people, *judges] if together else people or judges


def sources_of(labels: Sequence[Label]) -> dict[str, int]:
    counts = Counter("human" if label.human else "judge" for label in labels)
    counts["simulated"] = sum(label.simulated for label in labels)
    counts["annotators"] = len({label.vote.annotator for label in labels})
    return dict(counts)


def inside(
    scope: Scope, labels: Mapping[Subject, Sequence[Label]], *, together: bool = False
) -> dict[Subject, list[Label]]:
    """The labels of a scope, without subjects that have none there."""
    return {
        subject: found
        for subject, all_ in labels.items()
        if (found := chosen_for(scope, all_, together=together))
    }
