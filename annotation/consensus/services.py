"""Writing what the labels of an instance say together, per criterion and scope."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from accounts.models import Project
from annotation.labels.models import Annotation
from annotation.projects.selectors import criteria_of

from .calibrating import calibrate_of
from .methods import MAJORITY, METHODS, How, how_of, key_of
from .models import Consensus, ConsensusState, Minority, Scope
from .reading import inside, labels_of
from .rows import ranked_of, rows_of
from .weighing import Gathered, fit_weights

__all__ = [
    "MAJORITY",
    "METHODS",
    "Minority",
    "catch_up",
    "choose_method",
    "method_of",
    "state_of",
    "update",
]

VALUES = (
    *("method", "version", "worth", "scores", "entropy"),
    *("labels", "sources", "simulated", "updated_at"),
)
BATCH = 1000
# Instances whose labels are in memory at once.
WINDOW = 2000
# Labels whose transaction began before others that the last update saw may still come in.
OVERLAP = 500
# A fit is done anew when so many labels came, and more than this share of those it saw.
REFIT_LABELS, REFIT_SHARE = 200, 0.05


def update(
    *, project: Project, instance_ids: Iterable[int] | None = None, method: str | None = None
) -> int:
    """Write the human, judge and mixed consensus of these instances (all by default).

    The method is the project's own unless another is given. One that weighs annotators is fitted
    to all labels when all instances are asked for; for some it uses the parameters at hand. Mixed
    stands on people's labels where there are any, else on the judges'; a method that weighs
    annotators takes both together. A consensus whose labels are all gone is removed. A standing
    review decides its instance; rated criteria get the mean score.

    Returns the number of rows written.

    Raises:
        InvalidInput: the method is unknown.
    """
    how = how_of(state_of(project), method)
    chosen = None if instance_ids is None else list(instance_ids)
    if chosen is None:
        _refresh_statistics()
    return _update(project, chosen, how)


def state_of(project: Project) -> ConsensusState | None:
    return ConsensusState.objects.filter(project=project).first()


def method_of(project: Project) -> str:
    state = ConsensusState.objects.filter(project=project).only("method").first()
    return state.method if state else MAJORITY


@transaction.atomic
def choose_method(*, project: Project, method: str, minority: str = Minority.NOISE) -> None:
    """How the project brings its labels together from now on; the next update does all anew.

    Raises:
        InvalidInput: the method is unknown, or minorities are neither noise nor signal.
    """
    How(method, minority)
    values = {"method": method, "minority": minority, "annotation": 0, "parameters": {}}
    ConsensusState.objects.update_or_create(project=project, defaults=values)


@transaction.atomic
def catch_up(*, project: Project) -> int:
    """Bring the consensus of instances with new labels up to date; rows written.

    Only those instances are read. A method that weighs annotators uses their parameters at hand,
    until enough labels are new to fit all of the project again.
    """
    ConsensusState.objects.get_or_create(project=project)
    # The lock lets two jobs of one project follow each other.
    state = ConsensusState.objects.select_for_update().get(project=project)
    mine = Annotation.objects.filter(project=project)
    newest = mine.aggregate(newest=Max("pk"))["newest"] or 0
    if newest <= state.annotation:
        return 0
    since = state.since + mine.filter(pk__gt=state.annotation).count()
    how = how_of(state)
    if state.annotation == 0 or (how.weighs and _outgrown(how, state.fitted, since)):
        written = update(project=project)
        since = 0
    else:
        fresh = mine.filter(pk__gt=state.annotation - OVERLAP)
        instances = list(fresh.order_by().values_list("instance", flat=True).distinct())
        written = update(project=project, instance_ids=instances)
    ConsensusState.objects.filter(pk=state.pk).update(annotation=newest, since=since)
    return written


def _outgrown(how: How, fitted: int, since: int) -> bool:
    return how.parameters is None or since > max(REFIT_LABELS, REFIT_SHARE * fitted)


def _refresh_statistics() -> None:
    """Labels come by the thousand; until autovacuum has counted them, plans are very slow."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_annotation, annotation_instance")


@transaction.atomic
def _update(project: Project, chosen: list[int] | None, how: How) -> int:
    if how.weighs and (chosen is None or how.parameters is None):
        how = _refit(project, how)
    criteria = {criterion.pk: criterion for criterion in criteria_of(project)}
    calibrate = calibrate_of(project)
    written = 0
    for window in _windows(project, chosen):
        rows = rows_of(labels_of(project, window, calibrate), criteria, how)
        _remove_orphans(window, rows)
        Consensus.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["instance", "criterion", "scope"],
            update_fields=VALUES,
            batch_size=BATCH,
        )
        written += len(rows)
    return written


def _windows(project: Project, chosen: Iterable[int] | None) -> Iterator[list[int]]:
    """The instances, or all that were ever labelled, so many at a time."""
    if chosen is None:
        labelled = Annotation.objects.filter(project=project).order_by()
        chosen = labelled.values_list("instance", flat=True).distinct()
    ordered = sorted(set(chosen))
    for start in range(0, len(ordered), WINDOW):
        yield ordered[start : start + WINDOW]


def _refit(project: Project, how: How) -> How:
    """Fit the annotators of every scope and criterion to all labels, and keep what is found."""
    gathered: dict[str, Gathered] = defaultdict(Gathered)
    calibrate = calibrate_of(project)
    labels = 0
    for window in _windows(project, None):
        found = labels_of(project, window, calibrate)
        labels += sum(map(len, found.values()))
        for scope in Scope:
            ranked = ranked_of(inside(scope, found, together=how.together))
            for subject, each in ranked.items():
                gathered[key_of(scope, subject[1])].add(subject, each)
    parameters: dict[str, Any] = {
        key: weights
        for key, each in gathered.items()
        if (weights := fit_weights(each.ballots(), how.method))
    }
    state, _ = ConsensusState.objects.get_or_create(project=project)
    version = state.version + 1
    ConsensusState.objects.filter(pk=state.pk).update(
        parameters=parameters, version=version, fitted=labels, since=0
    )
    return replace(how, parameters=parameters, version=version)


def _remove_orphans(instance_ids: list[int], rows: Sequence[Consensus]) -> None:
    kept = {(row.instance_id, row.criterion_id, row.scope) for row in rows}
    stored = Consensus.objects.filter(instance__in=instance_ids)
    gone = [
        pk
        for pk, *key in stored.values_list("pk", "instance", "criterion", "scope")
        if tuple(key) not in kept
    ]
    if gone:
        Consensus.objects.filter(pk__in=gone).delete()
