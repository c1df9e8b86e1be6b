"""Adaptive overlap: one more person is asked while the labels leave too much open.

All counting happens under the lock of the instance's row, so that `overlap_most` is never passed.
"""

from collections import defaultdict

from django.db import transaction

from annotation.instances.models import Instance
from annotation.labels.models import Annotation, Annotator, AnnotatorKind
from annotation.projects.models import Criterion, Kind, Protocol, TieKind
from annotation.projects.selectors import asked_among, criteria_of
from annotation.quality.gold import known_answers
from core.exceptions import BudgetExceeded

from . import doubt
from .adding import place_on
from .models import Assignment, Slot, SlotState
from .money import free_money, reserve_like
from .pools import cohorts_of
from .purposes import Purpose
from .selectors import asked_on

PEOPLE = (AnnotatorKind.PERSON, AnnotatorKind.IMPORT)
PRIOR = 4


def ask_again(*, instance: Instance, protocol: Protocol) -> bool:
    """Add a place when the labels leave too much open and the overlap and the budget allow it.

    Call with the instance locked and all its places filled. Returns whether a place was added.
    """
    places = Slot.objects.filter(instance=instance, purpose=Purpose.LABEL)
    taken = list(places.exclude(state=SlotState.WITHDRAWN).values_list("key", flat=True))
    if protocol.overlap_most is None or len(taken) >= protocol.overlap_most:
        return False
    if doubt_of(instance, protocol) <= protocol.settle_entropy:
        return False
    cohorts = cohorts_of(protocol, 1)
    cohort = cohorts[len(taken) % len(cohorts)]
    try:
        with transaction.atomic():
            slot = place_on(instance, protocol, Purpose.LABEL, cohort, None)
            reserve_like(slot, taken)
    except BudgetExceeded:
        return False
    return True


def take_back(*, instance: Instance) -> int:
    """Remove added places that nobody has taken: a label was taken back, so all is open again.

    One that is being claimed right now stays. Call with the instance locked.
    """
    overlap = Assignment.objects.filter(instance=instance).values_list("overlap", flat=True).first()
    if overlap is None:
        return 0
    added = Slot.objects.filter(
        instance=instance,
        purpose=Purpose.LABEL,
        state=SlotState.OPEN,
        ordinal__gte=overlap,
        relabel__isnull=True,
        # One that was labelled, undone and given back is named by its annotations.
        annotations__isnull=True,
    )
    locked = added.select_for_update(skip_locked=True, of=("self",)).values_list("pk", "key")
    gone = dict(locked)
    Slot.objects.filter(pk__in=gone).delete()
    free_money(instance.project_id, gone.values())
    return len(gone)


def doubt_of(instance: Instance, protocol: Protocol) -> float:
    """Entropy (nats) of what people's labels say, for the criterion asked that is least clear.

    Judges are left out: how many people are asked must not hang on what a judge said.
    """
    rows = Annotation.objects.filter(
        instance=instance,
        purpose__in=[Purpose.LABEL, Purpose.REVIEW],
        retracted=False,
        superseded_by__isnull=True,
        annotator__kind__in=PEOPLE,
        annotator__excluded_at__isnull=True,
    )
    labels = list(rows.select_related("annotator"))
    skill = {row.annotator: _accuracy(row.annotator, protocol) for row in labels}
    said = defaultdict(list)
    for row in labels:
        said[row.criterion_id].append((_said(row), skill[row.annotator]))
    return max(
        doubt.doubt(said[criterion.pk], _choices(criterion, protocol))
        for criterion in asked_among(criteria_of(instance.project), asked_on(instance))
    )


def _accuracy(annotator: Annotator, protocol: Protocol) -> float:
    """The share of gold they answered rightly, with a prior worth four answers."""
    if not (protocol.gold_share or protocol.qualify_count):
        return doubt.ACCURACY
    known = known_answers(annotator.project, annotator).get(annotator.pk)
    if known is None:
        return doubt.ACCURACY
    return (known.right + PRIOR * doubt.ACCURACY) / (known.answered + PRIOR)


def _said(row: Annotation) -> doubt.Said:
    if row.tie_kind == TieKind.CANNOT_JUDGE:
        return {}
    if row.scores:
        return doubt.of_scores(row.scores)
    return doubt.of_ranking(row.ranking, row.unranked, row.tie_kind)


def _choices(criterion: Criterion, protocol: Protocol) -> int:
    """How many answers a question of this criterion has."""
    kind = criterion.asks(protocol)
    if kind in (Kind.RATING, Kind.BINARY):
        return len(criterion.values(kind))
    ties = set(protocol.ties) - {TieKind.CANNOT_JUDGE}
    # Ranks may be shared wherever a list is ordered.
    return 2 + (len(ties) if kind == Kind.PAIRWISE else 1)
