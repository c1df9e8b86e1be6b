"""Writing what the labels of an instance say together, per criterion and scope."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations

from django.db import connection, transaction
from django.db.models import Max

from accounts.models import Project
from annotation.labels.models import Annotation
from annotation.projects.models import Criterion
from annotation.projects.selectors import criteria_of, protocol_of
from annotation.quality.em import DAWID_SKENE, NOISY_BT, ONE_COIN
from annotation.quality.reliability import Ballots, fit
from core.exceptions import InvalidInput

from .models import Consensus, ConsensusState, Scope
from .posterior import entropy, majority, mean_scores, pair_share, worth_of
from .reading import Label, Subject, inside, labels_of, sources_of

MAJORITY, REVIEW, MEAN = "majority", "review", "mean score"
METHODS = (MAJORITY, ONE_COIN, DAWID_SKENE, NOISY_BT)
VALUES = ("method", "worth", "scores", "entropy", "labels", "sources", "simulated", "updated_at")
BATCH = 1000
# Labels whose transaction began before others that the last update saw may still come in.
OVERLAP = 500


def update(
    *, project: Project, instance_ids: Iterable[int] | None = None, method: str | None = None
) -> int:
    """Write the human, judge and mixed consensus of these instances (all by default).

    Mixed stands on people's labels where there are any, else on the judges'. A consensus whose
    labels are all gone is removed. A standing review decides its instance. A method other than
    the majority (by default the project's own) weighs annotators by all labels of the instances
    given; rated criteria get the mean score.

    Returns the number of rows written.

    Raises:
        InvalidInput: the method is unknown.
    """
    method = method or method_of(project)
    _known(method)
    chosen = None if instance_ids is None else list(instance_ids)
    if chosen is None:
        _refresh_statistics()
    return _update(project, chosen, method)


def method_of(project: Project) -> str:
    state = ConsensusState.objects.filter(project=project).only("method").first()
    return state.method if state else MAJORITY


@transaction.atomic
def choose_method(*, project: Project, method: str) -> None:
    """How the project brings its labels together from now on.

    Raises:
        InvalidInput: the method is unknown.
    """
    _known(method)
    ConsensusState.objects.update_or_create(project=project, defaults={"method": method})


def _known(method: str) -> None:
    if method not in METHODS:
        raise InvalidInput(f"Unknown consensus method {method!r}: one of {', '.join(METHODS)}.")


@transaction.atomic
def catch_up(*, project: Project) -> int:
    """Bring the consensus of instances with new labels up to date; rows written.

    With the majority only those instances are read. Any other method weighs annotators by all
    their labels, so that all of the project is fitted again.
    """
    ConsensusState.objects.get_or_create(project=project)
    # The lock lets two jobs of one project follow each other.
    state = ConsensusState.objects.select_for_update().get(project=project)
    mine = Annotation.objects.filter(project=project)
    newest = mine.aggregate(newest=Max("pk"))["newest"] or 0
    if newest <= state.annotation:
        return 0
    fresh = mine.filter(pk__gt=state.annotation - OVERLAP)
    instances = list(fresh.order_by().values_list("instance", flat=True).distinct())
    written = update(project=project, instance_ids=instances if state.method == MAJORITY else None)
    state.annotation = newest
    state.save(update_fields=["annotation", "at"])
    return written


def _refresh_statistics() -> None:
    """Labels come by the thousand; until autovacuum has counted them, plans are very slow."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_annotation, annotation_instance")


@transaction.atomic
def _update(project: Project, chosen: list[int] | None, method: str) -> int:
    labels = labels_of(project, chosen)
    criteria = {criterion.pk: criterion for criterion in criteria_of(project)}
    rows = [
        row
        for scope in Scope
        for row in _scope_rows(scope, inside(scope, labels), method, criteria)
    ]
    _remove_orphans(project, chosen, rows)
    Consensus.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["instance", "criterion", "scope"],
        update_fields=VALUES,
        batch_size=BATCH,
    )
    return len(rows)


def _scope_rows(
    scope: Scope,
    labels: Mapping[Subject, Sequence[Label]],
    method: str,
    criteria: Mapping[int, Criterion],
) -> list[Consensus]:
    ranked = {
        subject: found
        for subject, found in labels.items()
        if not (found[0].scores or found[0].review)
    }
    weighed = {} if method == MAJORITY else _weighed(ranked, method)
    return [
        _row(
            scope,
            subject,
            found,
            criterion=criteria[subject[1]],
            weighed=weighed.get(subject),
            method=method,
        )
        for subject, found in labels.items()
    ]


def _weighed(
    labels: Mapping[Subject, Sequence[Label]], method: str
) -> dict[Subject, tuple[float, ...]]:
    """Worths by a model of the annotators, one fit per criterion over the pairs told apart."""
    pairs: dict[Subject, dict[tuple[int, int], float]] = defaultdict(dict)
    for criterion in {criterion for _, criterion in labels}:
        mine = {subject: found for subject, found in labels.items() if subject[1] == criterion}
        ballots, keys = ballots_of(mine)
        for (subject, i, j), p in zip(keys, fit(ballots, model=method).posterior, strict=True):
            pairs[subject][i, j] = float(p)
    return {
        subject: worth_of(len(labels[subject][0].vote.ranking), known)
        for subject, known in pairs.items()
    }


def ballots_of(
    labels: Mapping[Subject, Sequence[Label]],
) -> tuple[Ballots, list[tuple[Subject, int, int]]]:
    """One ballot per pair of completions that a label tells apart, and what each pair is."""
    codes: dict[tuple[Subject, int, int], int] = {}
    rows = [
        (
            codes.setdefault((subject, i, j), len(codes)),
            label.vote.annotator,
            share,
            _left(label, i, j),
            _tied(label, i, j),
        )
        for subject, found in labels.items()
        for label in found
        for i, j in combinations(range(len(label.vote.ranking)), 2)
        if (share := pair_share(label.vote, i, j)) is not None
    ]
    return Ballots.of(rows), list(codes)


def _left(label: Label, i: int, j: int) -> bool | None:
    return label.shown.index(i) < label.shown.index(j) if label.shown else None


def _tied(label: Label, i: int, j: int) -> bool:
    return label.vote.p is None and label.vote.ranking[i] == label.vote.ranking[j]


def _row(
    scope: Scope,
    subject: Subject,
    labels: Sequence[Label],
    *,
    criterion: Criterion,
    weighed: Sequence[float] | None,
    method: str,
) -> Consensus:
    sources = sources_of(labels)
    worth = weighed or majority([label.vote for label in labels])
    scores = mean_scores([label.scores for label in labels]) if labels[0].scores else None
    if scores is not None and len(worth) == 1:
        worth = (_share_of_scale(scores.mean[0], criterion),)
    return Consensus(
        instance_id=subject[0],
        criterion_id=subject[1],
        scope=scope,
        method=_method(labels[0], weighed, method),
        worth=list(worth),
        scores=asdict(scores) if scores else None,
        entropy=entropy(worth),
        labels=len(labels),
        sources=sources,
        simulated=sources["simulated"] > 0,
    )


def _method(label: Label, weighed: Sequence[float] | None, method: str) -> str:
    if label.review:
        return REVIEW
    if label.scores:
        return MEAN
    return method if weighed else MAJORITY


def _share_of_scale(mean: float | None, criterion: Criterion) -> float:
    """A lone completion has nothing to beat: its mean score as a share of the scale."""
    if mean is None:
        return 0.5
    values = criterion.values(criterion.asks(protocol_of(criterion.project)))
    return (mean - values[0]) / (values[-1] - values[0])


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
