"""Expectation–maximisation over fractional labels: the models of `reliability.py`. Pure: numpy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

ONE_COIN, DAWID_SKENE, MACE, NOISY_BT = "one-coin", "dawid-skene", "mace", "noisy-bt"
MODELS = (ONE_COIN, DAWID_SKENE, MACE, NOISY_BT)
FIRST, SECOND, TIE = 0, 1, 2
FLOOR = 1e-10
# noisy-bt: s_i − s_j is normal beforehand with this standard deviation. A spread that is estimated
# too trades off against γ; it is fixed, so that γ compares between fits.
SPREAD = 2.0
NODES: Vector = np.linspace(-3, 3, 13)


@dataclass(frozen=True)
class Prior:
    """Pseudo-labels: `right` and `wrong` per annotator, `habit` per side of a habit."""

    right: float = 3.0
    wrong: float = 1.0
    habit: float = 1.0


@dataclass(frozen=True)
class Rows:
    """Fractional hard labels, ordered by pair. `label` is canonical, `place` as shown."""

    pair: Codes
    who: Codes
    label: Codes
    place: Codes
    # The canonical first was shown second: truth is turned round to read it in places.
    turned: npt.NDArray[np.bool_]
    share: Vector
    # By annotator: the order shown is known for some of their labels.
    sided: npt.NDArray[np.bool_]
    pairs: int
    annotators: int


@dataclass
class Parameters:
    """What EM changes. Arrays by annotator: `skill` (A,), `habit` (A, L), `confusion` (A, T, L)."""

    skill: Vector
    habit: Vector
    confusion: Vector
    prior: Vector


class Engine:
    """EM over the rows of one data set for one model; weights are those of the prompts."""

    def __init__(self, model: str, rows: Rows, prior: Prior, even: bool) -> None:
        self.model, self.rows, self.pseudo, self.even = model, rows, prior, even
        self.labels = 3 if (rows.label == TIE).any() else 2
        # The truth in the places shown, per row and hidden answer.
        answers = np.arange(self.labels)
        swapped = np.where(answers < TIE, 1 - answers, answers)
        self.seen = np.where(rows.turned[:, None], swapped[None, :], answers[None, :])
        # Where each pair begins: sums over the labels of a pair are sums over a slice.
        self.begins = np.searchsorted(rows.pair, np.arange(rows.pairs))

    def start(self) -> Parameters:
        """Annotators alike and better than chance, habits even."""
        a, n = self.rows.annotators, self.labels
        skill = self.pseudo.right / max(self.pseudo.right + self.pseudo.wrong, FLOOR) or 0.75
        confusion = np.full((a, n, n), (1 - skill) / (n - 1))
        confusion[:, range(n), range(n)] = skill
        parameters = Parameters(
            np.full(a, skill), np.full((a, 2), 0.5), confusion, np.full(n, 1 / n)
        )
        if self.model == NOISY_BT:
            density = np.exp(-(NODES**2) / 2)
            parameters.prior = density / density.sum()
        return parameters

    def run(
        self, parameters: Parameters, weights: Vector, rounds: int, tolerance: float
    ) -> tuple[Parameters, Vector]:
        """EM until P(first) moves less than `tolerance`; the parameters and that probability."""
        before = self._majority()
        responsible = self._first_responsibility(before)
        if responsible is not None:
            parameters = self._maximise(parameters, responsible, weights)
        for _ in range(rounds):
            responsible = self._expect(parameters)
            parameters = self._maximise(parameters, responsible, weights)
            p = self._share(responsible)
            moved = float(np.abs(p - before).max(initial=0.0))
            before = p
            if moved < tolerance:
                break
        return parameters, before

    def rerun(self, start: Parameters, weights: Vector) -> Parameters:
        """A bootstrap draw: from the fit to all, so that few rounds are enough."""
        parameters = start
        for _ in range(15):
            parameters = self._maximise(parameters, self._expect(parameters), weights)
        return parameters

    def posterior(self, parameters: Parameters) -> Vector:
        return self._share(self._expect(parameters))

    def _majority(self) -> Vector:
        rows = self.rows
        value = np.where(rows.label == FIRST, 1.0, np.where(rows.label == TIE, 0.5, 0.0))
        total = np.bincount(rows.pair, rows.share, rows.pairs)
        found: Vector = np.bincount(rows.pair, rows.share * value, rows.pairs) / total
        return found

    def _first_responsibility(self, p: Vector) -> Vector | None:
        """EM begins at the shares of the labels; noisy-bt at its prior."""
        if self.model == NOISY_BT:
            return None
        rows = self.rows
        counts = np.stack(
            [
                np.bincount(rows.pair, rows.share * (rows.label == label), rows.pairs)
                for label in range(self.labels)
            ],
            axis=1,
        )
        found: Vector = counts / counts.sum(axis=1, keepdims=True)
        return found

    def _expect(self, parameters: Parameters) -> Vector:
        """(pairs, T) P(hidden answer | labels)."""
        chances = np.log(np.maximum(self._chances(parameters), FLOOR)) * self.rows.share[:, None]
        logs = np.log(np.maximum(parameters.prior, FLOOR)) + np.add.reduceat(chances, self.begins)
        logs -= logs.max(axis=1, keepdims=True)
        found = np.exp(logs)
        result: Vector = found / found.sum(axis=1, keepdims=True)
        return result

    def _chances(self, parameters: Parameters) -> Vector:
        """(rows, T) P(this label | hidden answer t, annotator)."""
        rows = self.rows
        if self.model == DAWID_SKENE:
            chances: Vector = parameters.confusion[
                rows.who[:, None], self.seen, rows.place[:, None]
            ]
            return chances
        skill = parameters.skill[rows.who][:, None]
        if self.model == ONE_COIN:
            right = rows.label[:, None] == np.arange(2)[None, :]
            return np.where(right, skill, 1 - skill)
        known, guessed = self._known(), self._guessed(parameters)
        return skill * known + (1 - skill) * guessed

    def _known(self) -> Vector:
        """P(label | the annotator follows the completions): 0 or 1 in mace, σ in noisy-bt."""
        if self.model == MACE:
            right: Vector = (self.rows.label[:, None] == np.arange(2)[None, :]).astype(np.float64)
            return right
        sign = np.where(self.rows.label == FIRST, 1.0, -1.0)[:, None]
        found: Vector = 1 / (1 + np.exp(-sign * SPREAD * NODES[None, :]))
        return found

    def _guessed(self, parameters: Parameters) -> Vector:
        habit: Vector = parameters.habit[self.rows.who, self.rows.place][:, None]
        return habit

    def _maximise(self, old: Parameters, responsible: Vector, weights: Vector) -> Parameters:
        rows, weight = self.rows, self.rows.share * weights
        mine = responsible[rows.pair] * weight[:, None]
        new = Parameters(old.skill, old.habit, old.confusion, old.prior)
        if self.model == ONE_COIN:
            right = mine[np.arange(len(rows.pair)), rows.label]
            new.skill = self._rate(right, weight)
        elif self.model == DAWID_SKENE:
            new.confusion = self._confusion(mine)
        else:
            chances = self._chances(old)
            known = old.skill[rows.who][:, None] * self._known()
            follows = (mine * known / np.maximum(chances, FLOOR)).sum(axis=1)
            new.skill = self._rate(follows, weight)
            new.habit = self._habits(np.maximum(weight - follows, 0.0))
        if self.model != NOISY_BT and (not self.even or self.labels == 3):
            new.prior = self._shares(responsible)
        return new

    def _rate(self, hits: Vector, weight: Vector) -> Vector:
        a = self.rows.annotators
        good = np.bincount(self.rows.who, hits, a) + self.pseudo.right
        total = np.bincount(self.rows.who, weight, a) + self.pseudo.right + self.pseudo.wrong
        found: Vector = good / np.maximum(total, FLOOR)
        return found

    def _confusion(self, mine: Vector) -> Vector:
        a, n = self.rows.annotators, self.labels
        counts = np.full((a, n, n), self.pseudo.wrong / (n - 1))
        counts[:, range(n), range(n)] = self.pseudo.right
        for t in range(n):
            cell = (self.rows.who * n + self.seen[:, t]) * n + self.rows.place
            counts += np.bincount(cell, mine[:, t], a * n * n).reshape(a, n, n)
        found: Vector = counts / np.maximum(counts.sum(axis=2, keepdims=True), FLOOR)
        return found

    def _habits(self, guesses: Vector) -> Vector:
        a = self.rows.annotators
        cells = np.bincount(2 * self.rows.who + self.rows.place, guesses, 2 * a)
        counts = cells.reshape(a, 2) + self.pseudo.habit
        found: Vector = counts / counts.sum(axis=1, keepdims=True)
        return found

    def _shares(self, responsible: Vector) -> Vector:
        shares = responsible.mean(axis=0)
        if self.even:
            shares[:2] = shares[:2].mean()
        found: Vector = shares
        return found

    def _share(self, responsible: Vector) -> Vector:
        """(pairs,) P(first is better), a tie counting one half."""
        if self.model == NOISY_BT:
            first = 1 / (1 + np.exp(-SPREAD * NODES))
        else:
            first = np.array([1.0, 0.0, 0.5])[: responsible.shape[1]]
        found: Vector = responsible @ first
        return found

    def skill_of(self, parameters: Parameters, place: int) -> float:
        if self.model != DAWID_SKENE:
            return float(parameters.skill[place])
        decided = parameters.confusion[place]
        return float((decided[0, 0] + decided[1, 1]) / 2)

    def side_of(self, parameters: Parameters, place: int) -> float | None:
        """Leaning to what is shown first: 2 σ(b) − 1 of a habit, or the difference of errors."""
        if self.model == ONE_COIN or not self.rows.sided[place]:
            return None
        if self.model == DAWID_SKENE:
            errors = parameters.confusion[place]
            return float(errors[1, 0] - errors[0, 1])
        return float(2 * parameters.habit[place, 0] - 1)
