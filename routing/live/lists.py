"""Lists, instances of three and more completions: what is read of pairs says nothing of them.

| strategy                              | who gets a list                                         |
|---------------------------------------|---------------------------------------------------------|
| one that reads nothing (random, all…) | as with pairs                                           |
| judge uncertainty                     | people, the less the judge's rankings of it agree       |
| any other, or nothing is known        | people before anything else, as far as the money goes   |
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from django.db.models.fields.json import KT

from annotation.instances.models import Completion
from annotation.labels.models import Annotation
from routing.features.table import Bools
from routing.strategies.problem import Scores

from .work import Row, Work

UNCERTAINTY = "judge-uncertainty"
DOUBT, SURE = "the judge ranks this list in several ways", "the judge ranks this list one way"
NOT_SCORED = "a list, of which the strategy knows nothing: people rank it"


def over_lists(work: Work, rows: Sequence[Row], scores: Scores) -> tuple[Scores, Bools]:
    """The scores with the word about lists, and (n,) those that go to people whatever the share.

    Two queries at most.
    """
    nobody = np.zeros(len(rows), dtype=bool)
    if not work.needs:
        return scores, nobody
    listed = _listed(rows)
    if not listed:
        return scores, nobody
    known = _consistency(work, listed) if work.live.strategy == UNCERTAINTY else {}
    gain, chance, reason = scores.gain.copy(), scores.propensity.copy(), list(scores.reason)
    for i, row in enumerate(rows):
        if row.pk not in listed:
            continue
        if row.pk in known:
            gain[i] = min(1.0, max(0.0, 1 - known[row.pk]))
            reason[i] = DOUBT if gain[i] >= 0.5 else SURE
        else:
            gain[i], chance[i], reason[i], nobody[i] = np.inf, 1.0, NOT_SCORED, True
    return replace(scores, gain=gain, propensity=chance, reason=reason), nobody


def _listed(rows: Sequence[Row]) -> set[int]:
    third = Completion.objects.filter(instance__in=[row.pk for row in rows], position=2)
    return set(third.values_list("instance_id", flat=True))


def _consistency(work: Work, ids: set[int]) -> dict[int, float]:
    """What the judge's label says of how well its rankings of a list agree, 1 for wholly."""
    labels = Annotation.objects.filter(
        instance__in=ids,
        annotator=work.judge.annotator,
        criterion=work.criterion,
        superseded_by__isnull=True,
    )
    said = labels.annotate(agreed=KT("attributes__verdict__consistency"))
    found = said.values_list("instance_id", "agreed")
    return {pk: float(agreed) for pk, agreed in found if agreed is not None}
