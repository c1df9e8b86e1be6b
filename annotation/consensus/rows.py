"""The rows of a consensus from the labels of some instances."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from annotation.projects.models import Criterion
from annotation.projects.selectors import protocol_of

from .methods import MAJORITY, MEAN, REVIEW, How
from .models import Scope
from .posterior import entropy, majority, mean_scores
from .reading import Label, Subject, inside, sources_of


class Row(NamedTuple):
    """A consensus as it is stored."""

    instance: int
    criterion: int
    scope: str
    method: str
    version: int
    worth: Sequence[float]
    scores: dict[str, Any] | None
    entropy: float
    labels: int
    sources: dict[str, int]
    simulated: bool


def ranked_of(labels: Mapping[Subject, Sequence[Label]]) -> dict[Subject, Sequence[Label]]:
    """The subjects that a method has a say on: no scores, no review."""
    return {
        subject: found
        for subject, found in labels.items()
        if not (found[0].scores or found[0].review)
    }


def rows_of(
    labels: Mapping[Subject, Sequence[Label]], criteria: Mapping[int, Criterion], how: How
) -> list[Row]:
    """A row per scope and subject that has labels there."""
    found = []
    for scope in Scope:
        mine = inside(scope, labels, together=how.together)
        worths = how.worths(scope, ranked_of(mine))
        found += [
            _row(scope, subject, each, criteria[subject[1]], worths.get(subject), how)
            for subject, each in mine.items()
        ]
    return found


def _row(  # noqa: PLR0917 - one table row, private
    scope: Scope,
    subject: Subject,
    labels: Sequence[Label],
    criterion: Criterion,
    weighed: Sequence[float] | None,
    how: How,
) -> Row:
    sources = sources_of(labels)
    worth = weighed or majority([label.vote for label in labels])
    scores = mean_scores([label.scores for label in labels]) if labels[0].scores else None
    if scores is not None and len(worth) == 1:
        worth = (_share_of_scale(scores.mean[0], criterion),)
    return Row(
        *subject,
        scope=scope.value,
        method=_method(labels[0], weighed, how),
        version=how.version if weighed else 0,
        worth=tuple(worth),
        scores=asdict(scores) if scores else None,
        entropy=entropy(worth),
        labels=len(labels),
        sources=sources,
        simulated=sources["simulated"] > 0,
    )


def _method(label: Label, weighed: Sequence[float] | None, how: How) -> str:
    if label.review:
        return REVIEW
    if label.scores:
        return MEAN
    return how.name if weighed else MAJORITY


def _share_of_scale(mean: float | None, criterion: Criterion) -> float:
    """A lone completion has nothing to beat: its mean score as a share of the scale."""
    if mean is None:
        return 0.5
    values = criterion.values(criterion.asks(protocol_of(criterion.project)))
    return (mean - values[0]) / (values[-1] - values[0])
