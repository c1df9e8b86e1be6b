"""Expectation–maximisation over counted labels: the models of `reliability.py`. Pure: numpy, SciPy.

The labels are counted in a sparse matrix (units × cells); a cell is one answer of one annotator in
one order of showing. Everything a step needs is then two products with that matrix, whatever the
model is, so that a round over a million labels takes hundredths of a second.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

ONE_COIN, DAWID_SKENE, MACE, NOISY_BT = "one-coin", "dawid-skene", "mace", "noisy-bt"
MODELS = (ONE_COIN, DAWID_SKENE, MACE, NOISY_BT)
FIRST, SECOND, TIE = 0, 1, 2
FLOOR = 1e-10
CERTAIN = (0.01, 0.99)
# Rounds that one step ahead stands for, at most.
LONGEST = 16.0
# noisy-bt: s_i − s_j is normal beforehand with this standard deviation, unless told otherwise.
SPREAD = 2.0
NODES: Vector = np.linspace(-3, 3, 13)


@dataclass(frozen=True)
class Prior:
    """Pseudo-labels: `right` and `wrong` per annotator, `habit` per side of a habit."""

    right: float = 3.0
    wrong: float = 1.0
    habit: float = 1.0


NO_PRIOR = Prior(0, 0, 0)


@dataclass(frozen=True)
class Table:
    """Counted labels. `label` of a cell is canonical, `place` as shown.

    `counts`: SciPy CSR (units × cells). `turned`: the canonical first was shown second, truth is
    turned round to read it in places. `sided`: the order shown is known for some of the
    annotator's labels.
    """

    counts: Any
    who: Codes
    label: Codes
    place: Codes
    turned: Flags
    sided: Flags
    answers: int

    @property
    def annotators(self) -> int:
        return len(self.sided)


def table_of_answers(
    unit: Codes, who: Codes, answer: Codes, *, units: int, annotators: int, answers: int
) -> Table:
    """Count labels that are one of `answers` classes; all arrays (labels,), codes from 0."""
    cells = who * answers + answer
    sided = np.zeros(annotators, dtype=np.bool_)
    return _table(unit, cells * 2, np.ones(len(unit)), (units, answers), sided)


def table_of_pairs(
    unit: Codes, who: Codes, p: Vector, left: Codes, tie: Flags, *, shape: tuple[int, int, int]
) -> Table:
    """Count labels of pairs; all arrays (labels,).

    Args:
        p: how much of the label goes to the canonical first.
        left: 1 where that one was shown first, 0 where second, −1 where nobody knows.
        tie: the label is an answer of its own; where none is, ties are halves.
        shape: (units, annotators, answers): 2 answers, or 3 with ties.
    """
    units, annotators, answers = shape
    decided = np.flatnonzero(~tie)
    tied = np.flatnonzero(tie)
    label = np.repeat([FIRST, SECOND, TIE], [len(decided), len(decided), len(tied)])
    row = np.concatenate([decided, decided, tied])
    share = np.concatenate([p[decided], 1 - p[decided], np.ones(len(tied))])
    # Where nobody knows the order, half of the label was given in each.
    unknown = np.flatnonzero(left[row] < 0)
    share[unknown] /= 2
    row, label, share = (np.concatenate([each, each[unknown]]) for each in (row, label, share))
    turned = (left[row] == 0).astype(np.intp)
    turned[len(turned) - len(unknown) :] = 1
    cells = (who[row] * answers + label) * 2 + turned
    sided = np.bincount(who, left >= 0, annotators) > 0
    some = share > 0
    return _table(unit[row][some], cells[some], share[some], (units, answers), sided)


def _table(unit: Codes, cells: Codes, share: Vector, shape: tuple[int, int], sided: Flags) -> Table:
    """A cell is (annotator · answers + label) · 2 + turned."""
    # Here, not above: SciPy would slow the start of every web process.
    from scipy.sparse import csr_array  # noqa: PLC0415

    units, answers = shape
    used = np.flatnonzero(np.bincount(cells, minlength=1))
    column = np.zeros(int(used.max(initial=-1)) + 1, dtype=np.int32)
    column[used] = np.arange(len(used))
    counts = csr_array((share, (unit.astype(np.int32), column[cells])), (units, len(used)))
    label, turned = used // 2 % answers, used % 2 == 1
    return Table(
        counts=counts,
        who=used // 2 // answers,
        label=label,
        place=np.where(turned & (label != TIE), 1 - label, label),
        turned=turned,
        sided=sided,
        answers=answers,
    )


@dataclass
class Parameters:
    """What EM changes. Arrays by annotator: `skill` (A,), `habit` (A, L), `confusion` (A, T, L);
    `prior` (T,) of the hidden answer."""

    skill: Vector
    habit: Vector
    confusion: Vector
    prior: Vector


class Engine:
    """EM over the table of one data set for one model."""

    def __init__(
        self,
        model: str,
        table: Table,
        prior: Prior,
        *,
        even: bool,
        spread: float = SPREAD,
        told: tuple[Codes, Vector] | None = None,
    ) -> None:
        """`told`: units and P(first is better) of each, evidence beside the labels counted."""
        self.model, self.table, self.pseudo = model, table, prior
        self.even, self.spread = even, spread
        self.labels = table.answers
        answers = np.arange(self.labels)
        swapped = np.where(answers < TIE, 1 - answers, answers)
        # The truth in the places shown, per cell and hidden answer.
        self.seen = np.where(table.turned[:, None], swapped[None, :], answers[None, :])
        self.back = table.counts.T.tocsr()
        self.told = self._evidence(*told) if told and len(told[0]) else None

    def start(self) -> Parameters:
        """Annotators alike and better than chance, habits even."""
        a, n = self.table.annotators, self.labels
        skill = self.pseudo.right / max(self.pseudo.right + self.pseudo.wrong, FLOOR) or 0.75
        confusion = np.full((a, n, n), (1 - skill) / (n - 1))
        confusion[:, range(n), range(n)] = skill
        prior = np.full(n, 1 / n)
        if self.model == NOISY_BT:
            density = np.exp(-(NODES**2) / 2)
            prior = density / density.sum()
        return Parameters(np.full(a, skill), np.full((a, n), 1 / n), confusion, prior)

    def run(self, rounds: int, tolerance: float, weights: Vector | None = None) -> Parameters:
        """EM from the shares of the labels (noisy-bt: from its prior), until no P(hidden answer)
        (noisy-bt: P(first)) moves as much as `tolerance`. Weights are those of the units."""
        parameters = self.start()
        before = self.shares()
        if self.model == NOISY_BT:
            before = before[:, FIRST]
        else:
            parameters = self._maximise(parameters, before, weights)
        trail = [parameters]
        for _ in range(rounds):
            responsible = self.expect(parameters)
            parameters = self._maximise(parameters, responsible, weights)
            now = self.first_of(responsible) if self.model == NOISY_BT else responsible
            moved = np.abs(now - before).max(initial=0.0)
            before = now
            if moved < tolerance:
                break
            trail.append(parameters)
            if self.model == NOISY_BT and len(trail) == 3:
                # It alone goes by steps so small that they are worth foreseeing.
                parameters = _ahead(*trail)
                trail = [parameters]
        return parameters

    def rerun(self, start: Parameters, weights: Vector) -> Parameters:
        """A bootstrap draw: from the fit to all, so that few rounds are enough."""
        parameters = start
        for _ in range(15):
            parameters = self._maximise(parameters, self.expect(parameters), weights)
        return parameters

    def shares(self) -> Vector:
        """(units, L) how the labels of a unit are shared out among the answers."""
        counts: Vector = self.table.counts @ np.eye(self.labels)[self.table.label]
        total = counts.sum(axis=1, keepdims=True)
        found: Vector = np.where(total > 0, counts / np.maximum(total, FLOOR), 1 / self.labels)
        if self.told is not None and self.model != NOISY_BT:
            found = np.maximum(found, FLOOR) * np.exp(self.told)
            found /= found.sum(axis=1, keepdims=True)
        return found

    def expect(self, parameters: Parameters) -> Vector:
        """(units, T) P(hidden answer | labels)."""
        logs: Vector = self.table.counts @ np.log(np.maximum(self._chances(parameters), 1e-100))
        logs += np.log(np.maximum(parameters.prior, FLOOR))
        if self.told is not None:
            logs += self.told
        logs -= logs.max(axis=1, keepdims=True)
        np.exp(logs, out=logs)
        logs /= logs.sum(axis=1, keepdims=True)
        return logs

    def first_of(self, responsible: Vector) -> Vector:
        """(units,) P(first is better) from P(hidden answer); a tie counts one half."""
        found: Vector = responsible @ self._first()
        return found

    def _first(self) -> Vector:
        """(T,) P(first is better | hidden answer)."""
        if self.model == NOISY_BT:
            nodes: Vector = 1 / (1 + np.exp(-self.spread * NODES))
            return nodes
        return np.array([1.0, 0.0, 0.5])[: self.labels]

    def _evidence(self, unit: Codes, p: Vector) -> Vector:
        """(units, T) log of what those probabilities say for each hidden answer, even beforehand.

        Several of one unit add up: as labels do, they count as independent given the answer.
        """
        first, p = self._first(), np.clip(p, *CERTAIN)[:, None]
        logs = np.log(p * first + (1 - p) * (1 - first))
        units = self.table.counts.shape[0]
        columns = [np.bincount(unit, column, units) for column in logs.T]
        return np.stack(columns, axis=1)

    def _chances(self, parameters: Parameters) -> Vector:
        """(cells, T) P(this label | hidden answer t, annotator)."""
        table = self.table
        if self.model == DAWID_SKENE:
            chances: Vector = parameters.confusion[
                table.who[:, None], self.seen, table.place[:, None]
            ]
            return chances
        skill = parameters.skill[table.who][:, None]
        if self.model == ONE_COIN:
            wrong = (1 - skill) / (self.labels - 1)
            return np.where(self._right(), skill, wrong)
        guessed = parameters.habit[table.who, table.place][:, None]
        found: Vector = np.maximum(skill * self._known() + (1 - skill) * guessed, FLOOR)
        return found

    def _right(self) -> Flags:
        """(cells, T) the label is the hidden answer."""
        found: Flags = self.table.label[:, None] == np.arange(self.labels)[None, :]
        return found

    def _known(self) -> Vector:
        """P(label | the annotator follows the completions): 0 or 1 in mace, σ in noisy-bt."""
        if self.model == MACE:
            return self._right().astype(np.float64)
        sign = np.where(self.table.label == FIRST, 1.0, -1.0)[:, None]
        found: Vector = 1 / (1 + np.exp(-sign * self.spread * NODES[None, :]))
        return found

    def _maximise(self, old: Parameters, responsible: Vector, weights: Vector | None) -> Parameters:
        weighed = responsible if weights is None else responsible * weights[:, None]
        # (cells, T): how many labels of a cell were given under each hidden answer.
        mine: Vector = self.back @ weighed
        new = Parameters(old.skill, old.habit, old.confusion, old.prior)
        if self.model == ONE_COIN:
            new.skill = self._rate((mine * self._right()).sum(axis=1), mine.sum(axis=1))
        elif self.model == DAWID_SKENE:
            new.confusion = self._confusion(mine)
        else:
            known = old.skill[self.table.who][:, None] * self._known()
            follows = (mine * known / self._chances(old)).sum(axis=1)
            total = mine.sum(axis=1)
            new.skill = self._rate(follows, total)
            new.habit = self._habits(np.maximum(total - follows, 0.0))
        if self.model != NOISY_BT and (not self.even or self.labels > TIE):
            new.prior = self._shares(responsible)
        return new

    def _rate(self, hits: Vector, total: Vector) -> Vector:
        a, who = self.table.annotators, self.table.who
        good = np.bincount(who, hits, a) + self.pseudo.right
        whole = np.bincount(who, total, a) + self.pseudo.right + self.pseudo.wrong
        found: Vector = good / np.maximum(whole, FLOOR)
        return found

    def _confusion(self, mine: Vector) -> Vector:
        a, n = self.table.annotators, self.labels
        counts = np.full((a, n, n), self.pseudo.wrong / (n - 1))
        counts[:, range(n), range(n)] = self.pseudo.right
        for t in range(n):
            cell = (self.table.who * n + self.seen[:, t]) * n + self.table.place
            counts += np.bincount(cell, mine[:, t], a * n * n).reshape(a, n, n)
        # Answers that an annotator never gave have no chance, and none is asked for.
        given = np.zeros((a, 1, n), dtype=np.bool_)
        given[self.table.who, 0, self.table.place] = True
        counts = np.where(given, np.maximum(counts, FLOOR), counts)
        found: Vector = counts / np.maximum(counts.sum(axis=2, keepdims=True), FLOOR)
        return found

    def _habits(self, guesses: Vector) -> Vector:
        a, n = self.table.annotators, self.labels
        cells = np.bincount(n * self.table.who + self.table.place, guesses, n * a)
        counts = np.maximum(cells.reshape(a, n) + self.pseudo.habit, FLOOR)
        found: Vector = counts / counts.sum(axis=1, keepdims=True)
        return found

    def _shares(self, responsible: Vector) -> Vector:
        shares = responsible.mean(axis=0)
        if self.even:
            shares[:2] = shares[:2].mean()
        found: Vector = shares
        return found


def _ahead(start: Parameters, once: Parameters, twice: Parameters) -> Parameters:
    """Where two rounds point to: SQUAREM's step (Varadhan & Roland 2008) on skills and habits."""
    r = np.column_stack([once.skill - start.skill, once.habit - start.habit])
    v = np.column_stack([twice.skill - once.skill, twice.habit - once.habit]) - r
    ratio = float(np.linalg.norm(r)) / max(float(np.linalg.norm(v)), FLOOR)
    length = min(max(1.0, ratio), LONGEST)
    step = 2 * length * r + length**2 * v
    skill, habit = start.skill + step[:, 0], start.habit + step[:, 1:]
    # Who would be taken too far stays where the rounds have come to.
    skill = np.where((skill > 0) & (skill < 1), skill, twice.skill)
    habit = np.where((habit > 0).all(axis=1, keepdims=True), habit, twice.habit)
    return Parameters(skill, habit, twice.confusion, twice.prior)


def skills_of(model: str, parameters: Parameters) -> Vector:
    """(A,) what `Skill.skill` says of every annotator."""
    if model != DAWID_SKENE:
        return parameters.skill
    decided = parameters.confusion[:, [0, 1], [0, 1]]
    found: Vector = decided.mean(axis=1)
    return found


def sides_of(model: str, parameters: Parameters) -> Vector:
    """(A,) leaning to what is shown first: 2 σ(b) − 1 of a habit, or the difference of errors."""
    if model == DAWID_SKENE:
        errors = parameters.confusion
        found: Vector = errors[:, 1, 0] - errors[:, 0, 1]
        return found
    habits: Vector = 2 * parameters.habit[:, 0] - 1
    return habits
