"""Who labels how well: four models of annotators, people and judges together. Pure: numpy only.

Each model has a hidden answer t per pair with a prior, and says how likely annotator w gives label
l (first, second or tie) when t holds; EM finds both (Dempster, Laird & Rubin 1977):

one-coin      right with probability g_w (Dawid & Skene 1979 with one accuracy per annotator)
dawid-skene   a full confusion matrix, in the places shown, so that a side bias is visible in it
mace          knows the answer with probability θ_w, else answers by habit ξ_w (Hovy et al. 2013)
noisy-bt      P_w(i ≻ j) = γ_w σ(s_i − s_j) + (1 − γ_w) σ(±b_w), + when i was shown first: skill
              and side bias, with s_i − s_j integrated out over a normal whose width is estimated

A label is fractional: a judge's probability p is p labels "first" and 1 − p labels "second"; a tie
is half of each, except where `dawid-skene` gives ties a column of their own. All maxima are under
weak priors, so that an annotator with few labels stays near the middle instead of at 0 or 1.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .em import (
    DAWID_SKENE,
    FIRST,
    MODELS,
    ONE_COIN,
    SECOND,
    TIE,
    Codes,
    Engine,
    Parameters,
    Prior,
    Rows,
)

__all__ = ["MODELS", "Ballot", "Figure", "Fit", "Prior", "Skill", "fit"]

FEW_LABELS = 20


@dataclass(frozen=True)
class Ballot:
    """What one annotator says about one pair: P(canonical first), 1, 0, ½ for a tie, a judge's p.

    `left` tells whether the canonical first was shown first; None where nobody knows.
    """

    pair: Hashable
    annotator: int
    p: float
    left: bool | None = None
    tie: bool = False


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
    """P(canonical first is better) per pair, and the annotators."""

    model: str
    posterior: dict[Hashable, float]
    skills: dict[int, Skill]


def fit(
    ballots: Sequence[Ballot],
    clusters: Mapping[Hashable, Hashable] | None = None,
    *,
    model: str = ONE_COIN,
    prior: Prior | None = None,
    resamples: int = 0,
    rounds: int = 200,
    tolerance: float = 1e-6,
    even: bool = True,
    seed: int = 0,
) -> Fit:
    """Fit a model to ballots.

    Args:
        clusters: the prompt of each pair; intervals resample these. Pairs by default.
        resamples: bootstrap draws for the intervals; 0 leaves them out.
        even: the two answers are equally likely beforehand. Else their shares are estimated, which
            is right only where the canonical order carries meaning.

    Raises:
        ValueError: the model is unknown.
    """
    if model not in MODELS:
        raise ValueError(f"unknown model {model!r}: one of {', '.join(MODELS)}")
    if not ballots:
        return Fit(model, {}, {})
    pairs = list(dict.fromkeys(ballot.pair for ballot in ballots))
    who = sorted({ballot.annotator for ballot in ballots})
    rows = _rows(ballots, pairs, who, ties=model == DAWID_SKENE)
    engine = Engine(model, rows, prior or Prior(), even)
    start, _ = engine.run(engine.start(), np.ones(len(rows.share)), rounds, tolerance)
    posterior = engine.posterior(start)
    draws = _bootstrap(engine, start, _cluster_codes(pairs, clusters), resamples, seed)
    counts = Counter(ballot.annotator for ballot in ballots)
    return Fit(
        model,
        dict(zip(pairs, posterior.tolist(), strict=True)),
        {
            annotator: _skill(
                engine, start, draws, place=place, annotator=annotator, labels=counts[annotator]
            )
            for place, annotator in enumerate(who)
        },
    )


def _rows(
    ballots: Sequence[Ballot], pairs: Sequence[Hashable], who: Sequence[int], *, ties: bool
) -> Rows:
    pair_of = {pair: code for code, pair in enumerate(pairs)}
    column = {annotator: code for code, annotator in enumerate(who)}
    found: list[tuple[int, int, int, int, bool, float]] = []
    for ballot in sorted(ballots, key=lambda ballot: pair_of[ballot.pair]):
        shares = (
            [(TIE, 1.0)] if ties and ballot.tie else [(FIRST, ballot.p), (SECOND, 1 - ballot.p)]
        )
        # Where nobody knows the order, half of the label was given in each.
        orders = (False, True) if ballot.left is None else (not ballot.left,)
        found += [
            (
                pair_of[ballot.pair],
                column[ballot.annotator],
                label,
                1 - label if turned and label != TIE else label,
                turned,
                share / len(orders),
            )
            for turned in orders
            for label, share in shares
            if share > 0
        ]
    pair, annotator, label, place, turned_, share_ = zip(*found, strict=True)
    return Rows(
        pair=np.array(pair, dtype=np.intp),
        who=np.array(annotator, dtype=np.intp),
        label=np.array(label, dtype=np.intp),
        place=np.array(place, dtype=np.intp),
        turned=np.array(turned_, dtype=np.bool_),
        share=np.array(share_, dtype=np.float64),
        sided=np.isin(who, [ballot.annotator for ballot in ballots if ballot.left is not None]),
        pairs=len(pairs),
        annotators=len(who),
    )


def _cluster_codes(
    pairs: Sequence[Hashable], clusters: Mapping[Hashable, Hashable] | None
) -> Codes:
    names = [clusters[pair] if clusters else pair for pair in pairs]
    codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
    return np.array([codes[name] for name in names], dtype=np.intp)


def _bootstrap(
    engine: Engine, start: Parameters, clusters: Codes, resamples: int, seed: int
) -> list[Parameters]:
    """Fits to resampled prompts, each begun at the fit to all."""
    count = int(clusters.max(initial=-1)) + 1
    if resamples < 2 or count < 2:
        return []
    rng = np.random.default_rng(seed)
    of_row = clusters[engine.rows.pair]
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    return [engine.rerun(start, drawn[of_row]) for drawn in draws]


def _skill(
    engine: Engine,
    found: Parameters,
    draws: Sequence[Parameters],
    *,
    place: int,
    annotator: int,
    labels: int,
) -> Skill:
    side = engine.side_of(found, place)
    return Skill(
        annotator=annotator,
        labels=labels,
        skill=_figure(
            engine.skill_of(found, place), [engine.skill_of(draw, place) for draw in draws]
        ),
        side=None
        if side is None
        else _figure(side, [engine.side_of(draw, place) or 0.0 for draw in draws]),
        confusion=tuple(map(tuple, found.confusion[place].tolist()))
        if engine.model == DAWID_SKENE
        else (),
    )


def _figure(value: float, draws: Sequence[float]) -> Figure:
    if not draws:
        return Figure(value, None, None)
    low, high = np.quantile(np.array(draws), [0.025, 0.975])
    return Figure(value, float(low), float(high))
