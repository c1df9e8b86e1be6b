"""Who labels how well: four models of annotators, people and judges together. Pure: numpy, SciPy.

Each model has a hidden answer t per pair with a prior, and says how likely annotator w gives label
l (first, second or tie) when t holds; EM finds both (Dempster, Laird & Rubin 1977):

one-coin      right with probability g_w (Dawid & Skene 1979 with one accuracy per annotator)
dawid-skene   a full confusion matrix, in the places shown, so that a side bias is visible in it
mace          knows the answer with probability θ_w, else answers by habit ξ_w (Hovy et al. 2013)
noisy-bt      P_w(i ≻ j) = γ_w σ(s_i − s_j) + (1 − γ_w) σ(±b_w), + when i was shown first: skill
              and side bias, with s_i − s_j integrated out over a normal of a given spread

The spread of noisy-bt is given, not estimated: it cannot be told apart from γ, and a fixed one lets
γ be compared between fits. The order of the annotators does not depend on it, their γ does.

A label is fractional: a judge's probability p is p labels "first" and 1 − p labels "second"; a tie
is half of each, except where `dawid-skene` gives ties a column of their own. All maxima are under
weak priors, so that an annotator with few labels stays near the middle instead of at 0 or 1.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .em import (
    DAWID_SKENE,
    MODELS,
    ONE_COIN,
    SPREAD,
    Codes,
    Engine,
    Flags,
    Parameters,
    Prior,
    Table,
    Vector,
    sides_of,
    skills_of,
    table_of_pairs,
)

__all__ = ["MODELS", "Ballots", "Figure", "Fit", "Prior", "Skill", "fit", "table_of"]

FEW_LABELS = 20


@dataclass(frozen=True)
class Ballots:
    """What annotators say about pairs; all arrays (labels,).

    `pair`: codes from 0 without gaps. `annotator`: ids. `p`: P(canonical first), 1, 0, ½ for a
    tie. `left`: 1 where the canonical first was shown first, 0 where second, −1 where nobody
    knows. `tie`: said to be one. `told`: p is a calibrated probability: it is evidence as it
    stands, no vote of somebody whose skill is to be found. None: all are votes.
    """

    pair: Codes
    annotator: Codes
    p: Vector
    left: Codes
    tie: Flags
    told: Flags | None = None

    def __len__(self) -> int:
        return len(self.pair)

    @property
    def pairs(self) -> int:
        return int(self.pair.max(initial=-1)) + 1

    @property
    def evidence(self) -> tuple[Codes, Vector] | None:
        """Pairs and probabilities of the ballots that are no votes."""
        return None if self.told is None else (self.pair[self.told], self.p[self.told])

    @staticmethod
    def of(rows: Iterable[tuple[int, int, float, bool | None, bool]]) -> "Ballots":
        """From (pair code, annotator, p, left, tie) per label."""
        given = list(rows)
        pair, annotator, p, left, tie = zip(*given, strict=True) if given else ((),) * 5
        sides = [-1 if side is None else int(side) for side in left]
        return Ballots(
            np.array(pair, dtype=np.intp),
            np.array(annotator, dtype=np.intp),
            np.array(p, dtype=np.float64),
            np.array(sides, dtype=np.intp),
            np.array(tie, dtype=np.bool_),
        )


@dataclass(frozen=True)
class Figure:
    """An estimate with its 95 % interval over prompts; the ends are None where none can be had."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Skill:
    """One annotator under one model.

    `skill`: one-coin and dawid-skene the probability of a right answer, mace of knowing it,
    noisy-bt the share γ of labels that follow the completions. `side`: how much an answer leans to
    the completion shown first, −1 … 1; None where the model has no side or nobody knows the order.
    `confusion`: rows are the true answer, columns the label (left, right, tie), dawid-skene only.
    """

    annotator: int
    labels: int
    skill: Figure
    side: Figure | None
    confusion: tuple[tuple[float, ...], ...] = ()

    @property
    def few(self) -> bool:
        return self.labels < FEW_LABELS


@dataclass(frozen=True)
class Fit:
    """(pairs,) P(canonical first is better), and the annotators: row `k` of the parameters is the
    k-th skill."""

    model: str
    posterior: Vector
    skills: dict[int, Skill]
    parameters: Parameters | None = None


def fit(
    ballots: Ballots,
    clusters: Sequence[Hashable] | None = None,
    *,
    model: str = ONE_COIN,
    prior: Prior | None = None,
    resamples: int = 0,
    rounds: int = 200,
    tolerance: float = 1e-6,
    even: bool = True,
    spread: float = SPREAD,
    seed: int = 0,
) -> Fit:
    """Fit a model to ballots.

    Args:
        clusters: (pairs,) the prompt of each pair; intervals resample these. Pairs by default.
        resamples: bootstrap draws for the intervals; 0 leaves them out.
        even: the two answers are equally likely beforehand. Else their shares are estimated, which
            is right only where the canonical order carries meaning.
        spread: noisy-bt's standard deviation of s_i − s_j beforehand.

    Raises:
        ValueError: the model is unknown.
    """
    known(model)
    if not len(ballots):
        return Fit(model, np.zeros(0), {})
    who, codes = np.unique(ballots.annotator, return_inverse=True)
    engine = Engine(
        model,
        table_of(ballots, codes, len(who), model=model),
        prior or Prior(),
        even=even,
        spread=spread,
        told=ballots.evidence,
    )
    found = engine.run(rounds, tolerance)
    draws = _bootstrap(engine, found, _cluster_codes(ballots.pairs, clusters), resamples, seed)
    return Fit(
        model,
        engine.first_of(engine.expect(found)),
        _skills(engine, found, draws, who, np.bincount(codes)),
        found,
    )


def known(model: str) -> None:
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}: one of {', '.join(MODELS)}")


def table_of(
    ballots: Ballots, who: Codes, annotators: int, *, model: str, answers: int | None = None
) -> Table:
    """The votes counted for a model; `who` are codes of the annotators of all ballots.

    Only dawid-skene has an answer for ties, where there are any or `answers` asks for three.
    """
    tie = ballots.tie if model == DAWID_SKENE else np.zeros_like(ballots.tie)
    votes = slice(None) if ballots.told is None else ~ballots.told
    return table_of_pairs(
        ballots.pair[votes],
        who[votes],
        ballots.p[votes],
        ballots.left[votes],
        tie[votes],
        shape=(ballots.pairs, annotators, answers or (3 if tie.any() else 2)),
    )


def _cluster_codes(pairs: int, clusters: Sequence[Hashable] | None) -> Codes:
    if clusters is None:
        return np.arange(pairs)
    codes = {name: code for code, name in enumerate(dict.fromkeys(clusters))}
    return np.array([codes[name] for name in clusters], dtype=np.intp)


def _bootstrap(
    engine: Engine, start: Parameters, clusters: Codes, resamples: int, seed: int
) -> list[Parameters]:
    """Fits to resampled prompts, each begun at the fit to all."""
    count = int(clusters.max(initial=-1)) + 1
    if resamples < 2 or count < 2:
        return []
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    return [engine.rerun(start, drawn[clusters]) for drawn in draws]


def _skills(
    engine: Engine, found: Parameters, draws: Sequence[Parameters], who: Codes, counts: Codes
) -> dict[int, Skill]:
    model = engine.model
    skills = _figures(skills_of(model, found), [skills_of(model, draw) for draw in draws])
    sides = _figures(sides_of(model, found), [sides_of(model, draw) for draw in draws])
    return {
        int(annotator): Skill(
            annotator=int(annotator),
            labels=int(counts[place]),
            skill=skills[place],
            side=sides[place] if model != ONE_COIN and engine.table.sided[place] else None,
            confusion=tuple(map(tuple, found.confusion[place].tolist()))
            if model == DAWID_SKENE
            else (),
        )
        for place, annotator in enumerate(who)
    }


def _figures(values: Vector, draws: Sequence[Vector]) -> list[Figure]:
    if not draws:
        return [Figure(value, None, None) for value in values.tolist()]
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    return [
        Figure(*ends) for ends in zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
