"""Labels of pairs as arrays: what a consensus of a hundred thousand instances is made of.

Everything here says the same as `reading`, `posterior` and `rows` say of one label at a time, for
instances whose labels of a criterion are all plain: two completions ranked, no scores, no review.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db.models import Case, IntegerField, When
from django.db.models.functions import Cast

from accounts.models import Project
from annotation.instances.content import EVEN
from annotation.quality.reliability import Ballots
from annotation.queue.purposes import Purpose
from core.columns import numbers

from .calibrating import Calibrate
from .methods import MAJORITY, How, key_of
from .models import Minority, Scope
from .reading import MACHINES, Chosen, Label, P, Subject, labels_of, standing
from .rows import Row
from .weighing import posterior

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Labels of pairs, all arrays (labels,), sorted by instance, criterion and time.

    `share`: P(canonical first), NaN where the two were not told apart. `calibrated`: people have
    told what that share is worth. `tie`: a share of one half that was said and not computed.
    `left`: 1 where the canonical first was shown first, 0 where second, −1 where nobody knows.
    """

    instance: Codes
    criterion: Codes
    annotator: Codes
    share: Floats
    left: Codes
    human: Flags
    simulated: Flags
    calibrated: Flags
    tie: Flags

    @staticmethod
    def none() -> "Pairs":
        codes, floats = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.float64)
        flags = np.zeros(0, dtype=np.bool_)
        return Pairs(codes, codes, codes, floats, codes, flags, flags, flags, flags)

    def __len__(self) -> int:
        return len(self.instance)

    def where(self, rows: Flags) -> "Pairs":
        return Pairs(*(getattr(self, each.name)[rows] for each in fields(self)))

    @property
    def told(self) -> Flags:
        return ~np.isnan(self.share)

    @property
    def subject(self) -> Codes:
        """(labels,) codes of what each label is about, from 0 without gaps, in order."""
        new = np.diff(self.instance).astype(bool) | np.diff(self.criterion).astype(bool)
        return np.concatenate([[0], np.cumsum(new)]) if len(self) else np.zeros(0, dtype=np.intp)

    def inside(self, scope: Scope, *, together: bool) -> "Pairs":
        """The labels of a scope, as `reading.chosen_for` chooses them."""
        if scope == Scope.HUMAN:
            return self.where(self.human)
        if scope == Scope.JUDGE:
            return self.where(~self.human)
        if together:
            return self
        people = np.bincount(self.subject, self.human)[self.subject] > 0
        return self.where(self.human | ~people)

    def by_criterion(self) -> Iterator[tuple[int, Ballots]]:
        """The ballots on each criterion that has any."""
        for criterion in np.unique(self.criterion).tolist():
            ballots = self.where(self.criterion == criterion).ballots()
            if len(ballots):
                yield criterion, ballots

    def ballots(self) -> Ballots:
        """One per label that tells its pair apart; pairs are numbered in order."""
        told = self.where(self.told)
        even = np.abs(told.share - 0.5) < EVEN
        vote = np.where(even, 0.5, (told.share > 0.5).astype(np.float64))
        vote = np.where(told.calibrated, told.share, vote)
        tie = (vote == 0.5) & ~told.calibrated
        return Ballots(told.subject, told.annotator, vote, told.left, tie, told.calibrated)


def read_all(
    project: Project, instances: Chosen, calibrate: Calibrate
) -> tuple[Pairs, dict[Subject, list[Label]]]:
    """Standing labels: of plain pairs as arrays, and all others by what they are about."""
    pairs, apart = read(project, instances, calibrate)
    others = labels_of(project, sorted({each for each, _ in apart}), calibrate) if apart else {}
    return pairs, {subject: found for subject, found in others.items() if subject in apart}


def read(
    project: Project, instances: Chosen, calibrate: Calibrate | None = None
) -> tuple[Pairs, set[Subject]]:
    """Standing labels of plain pairs, and the subjects that have others; one query."""
    given = numbers(standing(project, instances), *WANTED.values())
    found = dict(zip(WANTED, given, strict=True))
    order = np.lexsort((found["pk"], found["criterion"], found["instance"]))
    found = {name: column[order] for name, column in found.items()}
    size, unranked, scores = found["size"], found["unranked"], found["scores"]
    plain = (size == 2) & (scores == 0) & (found["review"] == 0)
    labels = _pairs(found, np.nan_to_num(unranked) > 1, calibrate or Calibrate())
    apart = labels.where(~plain)
    others = set(zip(apart.instance.tolist(), apart.criterion.tolist(), strict=True))
    if others:
        mixed = np.bincount(labels.subject, ~plain)[labels.subject] > 0
        labels = labels.where(~mixed)
    return labels, others


def _number(condition: str, value: Any) -> Case:
    return Case(When(**{condition: value}, then=1), default=0, output_field=IntegerField())


WANTED: Mapping[str, Any] = {
    "pk": "pk",
    "instance": "instance",
    "criterion": "criterion",
    "annotator": "annotator",
    "size": "ranking__len",
    "first": "ranking__0",
    "second": "ranking__1",
    "unranked": "unranked__len",
    "scores": "scores__len",
    "review": _number("purpose", Purpose.REVIEW),
    "machine": _number("annotator__kind__in", MACHINES),
    "simulated": Cast("annotator__simulated", IntegerField()),
    "shown": "shown_order__0",
    "p": P,
}


def _pairs(found: Mapping[str, Floats], alike: Flags, calibrate: Calibrate) -> Pairs:
    instance, criterion, annotator = (
        found[name].astype(np.intp) for name in ("instance", "criterion", "annotator")
    )
    first, second, p, shown = (found[name] for name in ("first", "second", "p", "shown"))
    said = np.where(first == second, 0.5, (first < second).astype(np.float64))
    worth = calibrate.all(annotator, criterion, p)
    known = ~np.isnan(worth)
    share = np.where(known, worth, np.where(np.isnan(p), said, p))
    return Pairs(
        *(instance, criterion, annotator),
        share=np.where(alike, np.nan, share),
        left=np.where(np.isnan(shown), -1, shown == 0).astype(np.intp),
        human=found["machine"] == 0,
        simulated=found["simulated"] > 0,
        calibrated=known,
        tie=np.isnan(p) & (said == 0.5),
    )


def rows_of_pairs(labels: Pairs, how: How) -> Iterator[Row]:
    """A row per scope and subject that has labels there."""
    for scope in Scope:
        mine = labels.inside(scope, together=how.together)
        if len(mine):
            yield from _rows(scope, mine, how)


def _rows(scope: Scope, mine: Pairs, how: How) -> Iterator[Row]:
    subject = mine.subject
    first = np.flatnonzero(np.diff(subject, prepend=-1))
    p, weighed = _worths(scope, mine, how)
    count, people = np.bincount(subject), np.bincount(subject, mine.human)
    simulated = np.bincount(subject, mine.simulated)
    # An annotator may have said something twice.
    alone = np.unique(np.stack([subject, mine.annotator]), axis=1)[0]
    each = (mine.instance[first], mine.criterion[first], p, _entropy(p), weighed, count)
    sources = (people.astype(int), simulated.astype(int), np.bincount(alone))
    columns = (values.tolist() for values in (*each, *sources))
    for instance, criterion, worth, entropy, by_method, n, human, unreal, many in zip(
        *columns, strict=True
    ):
        from_ = {"human": human, "judge": n - human}
        yield Row(
            *(instance, criterion, scope.value),
            method=how.name if by_method else MAJORITY,
            version=how.version if by_method else 0,
            worth=(worth, 1 - worth),
            scores=None,
            entropy=entropy,
            labels=n,
            sources={name: number for name, number in from_.items() if number}
            | {"simulated": unreal, "annotators": many},
            simulated=unreal > 0,
        )


def _worths(scope: Scope, mine: Pairs, how: How) -> tuple[Floats, Flags]:
    """(subjects,) P(canonical first), and where the method and not the majority says so."""
    subject, told = mine.subject, mine.told
    subjects = int(subject[-1]) + 1
    number = np.bincount(subject[told], minlength=subjects)
    total = np.bincount(subject[told], mine.share[told], subjects)
    if how.minority == Minority.SIGNAL:
        share = np.where(number > 0, (total + 0.5) / (number + 1), 0.5)
        return share, np.ones(subjects, dtype=np.bool_)
    p = np.where(number > 0, total / np.maximum(number, 1), 0.5)
    weighed = np.zeros(subjects, dtype=np.bool_)
    for criterion in np.unique(mine.criterion) if how.weighs else ():
        weights = (how.parameters or {}).get(key_of(scope, int(criterion)))
        asked = told & (mine.criterion == criterion)
        if weights and asked.any():
            places = np.unique(subject[asked])
            p[places] = posterior(mine.where(asked).ballots(), weights)
            weighed[places] = True
    return p, weighed


def _entropy(p: Floats) -> Floats:
    """Of a pair, in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -p * np.log(p) - (1 - p) * np.log(1 - p)
    return np.where((p <= 0) | (p >= 1), 0.0, found)
