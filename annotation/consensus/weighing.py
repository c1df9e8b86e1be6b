"""Worths by a model of the annotators: fitting their parameters, and using those at hand.

Parameters are kept as numbers by annotator, so that a new label needs only its own instance.
"""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from annotation.quality.em import DAWID_SKENE, Engine, Parameters, Prior
from annotation.quality.reliability import Ballots, fit, table_of

from .posterior import Vote, as_vote, pair_share, worth_of
from .reading import Label, Subject

Pair = tuple[Subject, int, int]


@dataclass
class Gathered:
    """Labels of pairs in little memory, until they are ballots; `pairs` are counted."""

    pairs: int = 0
    unit: "array[int]" = field(default_factory=lambda: array("q"))
    who: "array[int]" = field(default_factory=lambda: array("q"))
    share: "array[float]" = field(default_factory=lambda: array("d"))
    left: "array[int]" = field(default_factory=lambda: array("b"))
    tie: "array[int]" = field(default_factory=lambda: array("b"))
    told: "array[int]" = field(default_factory=lambda: array("b"))

    def add(self, subject: Subject, labels: Sequence[Label]) -> list[Pair]:
        """One ballot per pair of completions that a label tells apart; the pairs, in order."""
        found: list[Pair] = []
        for i, j in combinations(range(len(labels[0].vote.ranking)), 2):
            before = len(self.unit)
            for label in labels:
                share = _share(label.vote, i, j)
                if share is not None:
                    self.unit.append(self.pairs)
                    self.who.append(label.vote.annotator)
                    self.share.append(share)
                    self.left.append(_left(label, i, j))
                    self.tie.append(share == 0.5 and not label.vote.calibrated)
                    self.told.append(label.vote.calibrated)
            if len(self.unit) > before:
                self.pairs += 1
                found.append((subject, i, j))
        return found

    def extend(self, ballots: Ballots) -> None:
        """Ballots of further pairs; `told` is given."""
        kept = (
            (self.unit, ballots.pair + self.pairs, np.int64),
            (self.who, ballots.annotator, np.int64),
            (self.share, ballots.p, np.float64),
            (self.left, ballots.left, np.int8),
            (self.tie, ballots.tie, np.int8),
            (self.told, ballots.told, np.int8),
        )
        for mine, given, kind in kept:
            mine.frombytes(np.asarray(given, dtype=kind).tobytes())
        self.pairs += ballots.pairs

    def ballots(self) -> Ballots:
        return Ballots(
            np.array(self.unit, dtype=np.intp),
            np.array(self.who, dtype=np.intp),
            np.array(self.share, dtype=np.float64),
            np.array(self.left, dtype=np.intp),
            np.array(self.tie, dtype=np.bool_),
            np.array(self.told, dtype=np.bool_),
        )


def _share(vote: Vote, i: int, j: int) -> float | None:
    """A calibrated probability as it stands; any other is a vote."""
    share = pair_share(vote, i, j)
    return share if share is None or vote.calibrated else as_vote(share)


def _left(label: Label, i: int, j: int) -> int:
    return int(label.shown.index(i) < label.shown.index(j)) if label.shown else -1


def fit_weights(ballots: Ballots, model: str) -> dict[str, Any]:
    """The parameters of the annotators as JSON; {} without a label.

    {"model", "prior": [P(hidden answer)], "annotators": {id: [numbers]}}; the numbers are the
    skill, then the habit, or for dawid-skene the rows of the confusion.
    """
    found = fit(ballots, model=model).parameters
    if found is None:
        return {}
    who = np.unique(ballots.annotator).tolist()
    if model == DAWID_SKENE:
        numbers = found.confusion.reshape(len(who), -1)
    else:
        numbers = np.column_stack([found.skill, found.habit])
    rows = zip(who, numbers.tolist(), strict=True)
    return {
        "model": model,
        "prior": found.prior.tolist(),
        "annotators": {str(annotator): row for annotator, row in rows},
    }


def worths(
    labels: Mapping[Subject, Sequence[Label]], weights: Mapping[str, Any]
) -> dict[Subject, tuple[float, ...]]:
    """Worths by parameters at hand. An annotator without any counts as the prior says.

    Subjects of which no label tells a pair apart are left out.
    """
    gathered, pairs = Gathered(), []
    for subject, found in labels.items():
        pairs += gathered.add(subject, found)
    if not pairs:
        return {}
    p = posterior(gathered.ballots(), weights)
    known: dict[Subject, dict[tuple[int, int], float]] = defaultdict(dict)
    for (subject, i, j), share in zip(pairs, p, strict=True):
        known[subject][i, j] = share
    return {
        subject: worth_of(len(labels[subject][0].vote.ranking), shares)
        for subject, shares in known.items()
    }


def posterior(ballots: Ballots, weights: Mapping[str, Any]) -> list[float]:
    """P(canonical first is better) per pair, by parameters at hand."""
    model = weights["model"]
    answers = 3 if model == DAWID_SKENE and len(weights["prior"]) == 3 else 2
    if answers == 2:
        # The fit knew no tie: one is half of each.
        tie = np.zeros_like(ballots.tie)
        ballots = replace(ballots, tie=tie)
    who, codes = np.unique(ballots.annotator, return_inverse=True)
    table = table_of(ballots, codes, len(who), model=model, answers=answers)
    engine = Engine(model, table, Prior(), even=True, told=ballots.evidence)
    parameters = _parameters(engine.start(), who.tolist(), weights)
    found: list[float] = engine.first_of(engine.expect(parameters)).tolist()
    return found


def _parameters(
    found: Parameters, annotators: Sequence[int], weights: Mapping[str, Any]
) -> Parameters:
    """Those of a start, with what is known of each annotator in its place."""
    for place, annotator in enumerate(annotators):
        numbers = weights["annotators"].get(str(annotator))
        if numbers is None:
            continue
        if weights["model"] == DAWID_SKENE:
            found.confusion[place] = np.reshape(numbers, found.confusion[place].shape)
        else:
            found.skill[place] = numbers[0]
            found.habit[place] = numbers[1:]
    found.prior = np.array(weights["prior"])
    return found
