"""Writing what the labels of an instance say together, per criterion and scope."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from accounts.models import Project
from annotation.labels.models import AnnotatorKind
from annotation.labels.selectors import current
from core.exceptions import InvalidInput

from .models import Consensus, Scope
from .posterior import Vote, dawid_skene, entropy, majority

MAJORITY, DAWID_SKENE = "majority", "dawid-skene"
METHODS = (MAJORITY, DAWID_SKENE)
MACHINES = (AnnotatorKind.JUDGE, AnnotatorKind.VERIFIER)
VALUES = ("method", "worth", "entropy", "labels", "sources", "simulated", "updated_at")
BATCH = 1000

# (instance, criterion): what a consensus is about.
Subject = tuple[int, int]


@dataclass(frozen=True)
class Label:
    """One current annotation as consensus sees it."""

    vote: Vote
    human: bool
    simulated: bool


def update(
    *, project: Project, instance_ids: Iterable[int] | None = None, method: str = MAJORITY
) -> int:
    """Write the human, judge and mixed consensus of these instances (all by default).

    Mixed stands on people's labels where there are any, else on the judges'. A consensus whose
    labels are all gone is removed. `dawid-skene` weighs annotators by their agreement over the
    instances given; it applies to pairs, and longer rankings keep the majority share.

    Returns the number of rows written.

    Raises:
        InvalidInput: the method is unknown.
    """
    if method not in METHODS:
        raise InvalidInput(f"Unknown consensus method {method!r}: one of {', '.join(METHODS)}.")
    chosen = None if instance_ids is None else list(instance_ids)
    if chosen is None:
        _refresh_statistics()
    return _update(project, chosen, method)


def _refresh_statistics() -> None:
    """Labels come by the thousand; until autovacuum has counted them, plans are very slow."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_annotation, annotation_instance")


@transaction.atomic
def _update(project: Project, chosen: list[int] | None, method: str) -> int:
    labels = _labels(project, chosen)
    rows = [row for scope in Scope for row in _scope_rows(scope, labels, method)]
    _remove_orphans(project, chosen, rows)
    Consensus.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["instance", "criterion", "scope"],
        update_fields=VALUES,
        batch_size=BATCH,
    )
    return len(rows)


def _labels(project: Project, instance_ids: list[int] | None) -> dict[Subject, list[Label]]:
    annotations = current(project).exclude(ranking=[])
    if instance_ids is not None:
        annotations = annotations.filter(instance__in=instance_ids)
    labels: dict[Subject, list[Label]] = defaultdict(list)
    fields = (
        "instance",
        "criterion",
        "annotator",
        "ranking",
        "attributes",
        "annotator__kind",
        "annotator__simulated",
    )
    for row in annotations.order_by("instance", "pk").values_list(*fields):
        instance, criterion, annotator, ranking, attributes, kind, simulated = row
        human = kind not in MACHINES
        p = None if human else attributes.get("verdict", {}).get("p")
        label = Label(Vote(annotator, tuple(ranking), p), human, simulated)
        labels[instance, criterion].append(label)
    return labels


def _scope_rows(
    scope: Scope, labels: Mapping[Subject, Sequence[Label]], method: str
) -> list[Consensus]:
    inside = {subject: chosen for subject, all_ in labels.items() if (chosen := _of(scope, all_))}
    worths = {subject: majority([x.vote for x in chosen]) for subject, chosen in inside.items()}
    if method == DAWID_SKENE:
        worths |= _weighed(inside)
    return [
        _row(scope, subject, inside[subject], worth, method) for subject, worth in worths.items()
    ]


def _of(scope: Scope, labels: Sequence[Label]) -> list[Label]:
    people = [label for label in labels if label.human]
    judges = [label for label in labels if not label.human]
    return {Scope.HUMAN: people, Scope.JUDGE: judges, Scope.MIXED: people or judges}[scope]


def _weighed(inside: Mapping[Subject, Sequence[Label]]) -> dict[Subject, tuple[float, ...]]:
    """Dawid–Skene posteriors of the pairs, one fit per criterion."""
    pairs: dict[int, dict[int, list[Vote]]] = defaultdict(dict)
    for (instance, criterion), labels in inside.items():
        if len(labels[0].vote.ranking) == 2:
            pairs[criterion][instance] = [label.vote for label in labels]
    return {
        (instance, criterion): (p, 1 - p)
        for criterion, votes in pairs.items()
        for instance, p in dawid_skene(votes)[0].items()
    }


def _row(
    scope: Scope, subject: Subject, labels: Sequence[Label], worth: Sequence[float], method: str
) -> Consensus:
    counts = Counter("human" if label.human else "judge" for label in labels)
    counts["simulated"] = sum(label.simulated for label in labels)
    counts["annotators"] = len({label.vote.annotator for label in labels})
    pair = len(worth) == 2
    return Consensus(
        instance_id=subject[0],
        criterion_id=subject[1],
        scope=scope,
        method=method if pair else MAJORITY,
        worth=list(worth),
        entropy=entropy(worth),
        labels=len(labels),
        sources=dict(counts),
        simulated=counts["simulated"] > 0,
    )


def _remove_orphans(
    project: Project, instance_ids: list[int] | None, rows: Sequence[Consensus]
) -> None:
    kept = {(row.instance_id, row.criterion_id, row.scope) for row in rows}
    stored = Consensus.objects.filter(instance__project=project)
    if instance_ids is not None:
        stored = stored.filter(instance__in=instance_ids)
    gone = [
        pk
        for pk, *key in stored.values_list("pk", "instance", "criterion", "scope")
        if tuple(key) not in kept
    ]
    if gone:
        Consensus.objects.filter(pk__in=gone).delete()
