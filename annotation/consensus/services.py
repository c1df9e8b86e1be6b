"""Writing what the labels of an instance say together, per criterion and scope."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from accounts.models import Project
from annotation.labels.models import Annotation
from annotation.projects.selectors import criteria_of
from webhooks.emitting import emit
from webhooks.events import CONSENSUS

from .calibrating import Calibrate, calibrate_of
from .methods import MAJORITY, METHODS, PLACKETT_LUCE, How, how_of, key_of
from .models import ConsensusState, Minority, Scope
from .pairs import Pairs, read_all, rows_of_pairs
from .reading import Chosen, Label, Subject, inside, labels_of
from .rows import ranked_of, rows_of
from .storing import store
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

# Instances whose labels are in memory, and whose rows in one transaction.
WINDOW = 10_000
# Instances that a webhook is told by name.
MOST_TOLD = 500
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

    All instances are written some thousand at a time, each time in a transaction of its own: rows
    name their version, and until the last one has the new version there are some of the old.

    Returns the number of rows written.

    Raises:
        InvalidInput: the method is unknown.
    """
    how = how_of(state_of(project), method)
    if instance_ids is None:
        return _update_all(project, how)
    if how.weighs and how.parameters is None:
        how = _refit(project, how)
    calibrate = calibrate_of(project)
    chosen = sorted(set(instance_ids))
    windows = (chosen[start : start + WINDOW] for start in range(0, len(chosen), WINDOW))
    with transaction.atomic():
        # Who reads after the lock sees what was written under it.
        _locked_state(project)
        return sum(_write(project, each, each, how, calibrate) for each in windows)


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


def catch_up(*, project: Project) -> int:
    """Bring the consensus of instances with new labels up to date; rows written.

    Only those instances are read. A method that weighs annotators uses their parameters at hand,
    until enough labels are new to fit all of the project again.
    """
    ConsensusState.objects.get_or_create(project=project)
    mine = Annotation.objects.filter(project=project)
    with transaction.atomic():
        # The lock lets two jobs of one project follow each other.
        state = ConsensusState.objects.select_for_update().get(project=project)
        newest = mine.aggregate(newest=Max("pk"))["newest"] or 0
        if newest <= state.annotation:
            return 0
        since = state.since + mine.filter(pk__gt=state.annotation).count()
        how = how_of(state)
        if state.annotation and not (how.weighs and _outgrown(how, state.fitted, since)):
            fresh = mine.filter(pk__gt=state.annotation - OVERLAP)
            instances = fresh.order_by().values_list("instance", flat=True).distinct()
            written = update(project=project, instance_ids=instances)
            ConsensusState.objects.filter(pk=state.pk).update(annotation=newest, since=since)
            return written
        # Where this is stopped half way, the next one does all anew.
        ConsensusState.objects.filter(pk=state.pk).update(annotation=0)
    return _update_all(project, how, newest)


def _outgrown(how: How, fitted: int, since: int) -> bool:
    return how.parameters is None or since > max(REFIT_LABELS, REFIT_SHARE * fitted)


def _refresh_statistics() -> None:
    """Labels come by the thousand; until autovacuum has counted them, plans are very slow."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE annotation_annotation, annotation_instance")


def _update_all(project: Project, how: How, newest: int | None = None) -> int:
    """Write all rows; then the project is done up to the label `newest`, where one is given.

    It stops where the method is changed or another fit has been made: that writes all rows too.
    """
    _refresh_statistics()
    windows = _windows(project)
    if how.weighs:
        how = _refit(project, how, windows)
    calibrate, began = calibrate_of(project), _stand(state_of(project))
    written = 0
    for window in windows:
        with transaction.atomic():
            if _stand(_locked_state(project)) != began:
                return written
            written += _write(project, window, _span(window), how, calibrate)
    if newest is not None:
        with transaction.atomic():
            state = _locked_state(project)
            if state and _stand(state) == began:
                ConsensusState.objects.filter(pk=state.pk).update(annotation=newest, since=0)
    return written


def _locked_state(project: Project) -> ConsensusState | None:
    return ConsensusState.objects.select_for_update().filter(project=project).first()


def _stand(state: ConsensusState | None) -> tuple[str, str, int] | None:
    return None if state is None else (state.method, state.minority, state.version)


def _windows(project: Project) -> list[list[int]]:
    """The instances that were ever labelled, so many at a time."""
    labelled = Annotation.objects.filter(project=project).order_by()
    ordered = sorted(labelled.values_list("instance", flat=True).distinct())
    return [ordered[start : start + WINDOW] for start in range(0, len(ordered), WINDOW)]


def _span(window: Sequence[int]) -> range:
    """All instances between: cheaper to ask for than a list, where all labelled ones are in it."""
    return range(window[0], window[-1] + 1)


def _write(
    project: Project, window: list[int], read_as: Chosen, how: How, calibrate: Calibrate
) -> int:
    """The rows of these instances: of plain pairs by arrays, of all else by label."""
    pairs, others = _read(project, read_as, how, calibrate)
    criteria = {criterion.pk: criterion for criterion in criteria_of(project)}
    written = store([*rows_of_pairs(pairs, how), *rows_of(others, criteria, how)], window)
    told = {"instances": window[:MOST_TOLD], "count": len(window), "method": how.method}
    emit(project_id=project.pk, event=CONSENSUS, data=told)
    return written


def _read(
    project: Project, instances: Chosen, how: How, calibrate: Calibrate
) -> tuple[Pairs, dict[Subject, list[Label]]]:
    if how.method == PLACKETT_LUCE:
        return Pairs.none(), labels_of(project, instances, calibrate)
    return read_all(project, instances, calibrate)


def _refit(project: Project, how: How, windows: Sequence[list[int]] | None = None) -> How:
    """Fit the annotators of every scope and criterion to all labels, and keep what is found."""
    gathered: dict[str, Gathered] = defaultdict(Gathered)
    calibrate = calibrate_of(project)
    labels = 0
    for window in windows or _windows(project):
        pairs, others = _read(project, _span(window), how, calibrate)
        labels += len(pairs) + sum(map(len, others.values()))
        for scope in Scope:
            for criterion, ballots in pairs.inside(scope, together=how.together).by_criterion():
                gathered[key_of(scope, criterion)].extend(ballots)
            ranked = ranked_of(inside(scope, others, together=how.together))
            for subject, each in ranked.items():
                gathered[key_of(scope, subject[1])].add(subject, each)
    parameters: dict[str, Any] = {
        key: weights
        for key, each in gathered.items()
        if (weights := fit_weights(each.ballots(), how.method))
    }
    return _keep(project, how, parameters, labels)


@transaction.atomic
def _keep(project: Project, how: How, parameters: dict[str, Any], labels: int) -> How:
    ConsensusState.objects.get_or_create(project=project)
    state = ConsensusState.objects.select_for_update().get(project=project)
    version = state.version + 1
    ConsensusState.objects.filter(pk=state.pk).update(
        parameters=parameters, version=version, fitted=labels, since=0
    )
    return replace(how, parameters=parameters, version=version)
