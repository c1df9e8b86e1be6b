"""HyPER: the gain of a human label is what the performance predictor says it adds.

"Hybrid Preferences", ACL 2025: draw candidate mixes on a dual-labelled seed, train a proxy reward
model on each, regress its accuracy on what the mix is made of (linear, quadratic or boosted), and
read the gain off the regression.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np

from routing.features import binning
from routing.features.binning import Binning
from routing.features.table import Bools, FeatureTable, Floats, Ints
from routing.predictor import performance, proxy
from routing.predictor.explaining import over_mixes
from routing.predictor.gains import Gains, with_mean_bins
from routing.predictor.linear import Linear
from routing.predictor.mixes import Hot, draw_mixes, feature_counts
from routing.predictor.performance import Contrast, Model, Predictor
from routing.strategies.hyper_seed import cross_accuracy, halves, notes_of, usable
from routing.strategies.hyper_selection import Rule, best_drawn, until_marginal
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases, strongest
from routing.strategies.selection import choose, worth

MIXES = 200
# Instances scored at once: a million takes no more memory than these.
CHUNK = 65_536
# Mixes near the budget over which gains are averaged.
NEAR = 32
# Mixes that a router keeps to read its gains at.
CONTEXTS = 128


@dataclass(frozen=True, eq=False)
class Contexts:
    """What the candidate mixes were made of: `counts` (mixes, columns), by rising `sizes` (mixes,).

    `mean` (columns,) is how often a column fires on the seed.
    """

    counts: Floats
    sizes: Ints
    mean: Floats

    def near(self, size: float) -> Floats:
        """(≤ 32, columns) the mixes whose size is nearest."""
        return self.counts[np.argsort(np.abs(self.sizes - size), kind="stable")[:NEAR]]

    def to_json(self) -> dict[str, Any]:
        # Counts are whole numbers, and shorter so.
        return {
            "counts": self.counts.astype(np.int64).tolist(),
            "sizes": self.sizes.tolist(),
            "mean": self.mean.tolist(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        mean = np.array(stored["mean"], dtype=np.float64)
        counts = np.array(stored["counts"], dtype=np.float64).reshape(-1, len(mean))
        return cls(counts, np.array(stored["sizes"], dtype=np.int64), mean)


@dataclass(frozen=True, eq=False)
class HyperRouter:
    """A fitted router: cut points, coefficients, and how well they predict. All plain numbers.

    `contexts` is None where the model is linear, whose gains are the same at every budget.
    """

    binning: Binning
    predictor: Predictor
    explanation: tuple[Contrast, ...]
    dual_labelled: int
    contexts: Contexts | None = None
    rule: Rule = field(default_factory=Rule)
    notes: tuple[str, ...] = ()
    # Over the seed: share of gains that are exactly zero, share above zero, and the mean.
    seed_gains: Mapping[str, float] = field(default_factory=dict)

    @property
    def reads_judge(self) -> bool:
        return self.binning.reads_judge

    def gains(self, share: float | None = None) -> Gains:
        """What an instance adds where `share` of all instances go to people."""
        model = self.predictor.model
        if self.contexts is None:
            return model.gains(np.zeros((1, len(self.binning.columns))), 1)
        size = (share or self.rule.share) * self.dual_labelled
        return model.gains(self.contexts.near(size), block_of(self.dual_labelled))

    def score(self, problem: Problem) -> Scores:
        """Gain near the rule's share; an unknown feature counts as its mean bin."""
        gains, groups = self.gains(), self.binning.groups
        mean = np.zeros(len(groups)) if self.contexts is None else self.contexts.mean
        _, contrast = performance.contrasts(gains.coefficients(mean, groups), groups)
        gain, codes = np.zeros(len(problem)), np.zeros((len(problem), 2), dtype=np.int64)
        for start, one_hot in self._chunks(problem.features):
            rows = slice(start, start + len(one_hot))
            gain[rows] = gains.of(with_mean_bins(one_hot, groups))
            codes[rows] = strongest(one_hot, contrast, self.binning.columns).codes
        return scores(problem, gain, Phrases(codes, self.binning.columns))

    def select(self, problem: Problem, scores: Scores, budget: float, *, salt: str) -> Bools:
        """What to buy, by the rule; gains are read at the share that the budget can pay."""
        gain = self._gain_at(problem, scores, budget)
        if self.rule.selection == "simulated":
            return self._simulated(problem, gain, scores.cost, budget, salt)
        if self.rule.selection == "positive":
            gain = np.where(gain > 0, gain, -np.inf)
        chosen = choose(gain, scores.cost, budget, keys=problem.keys, salt=salt)
        if self.rule.selection != "marginal" or not chosen.any():
            return chosen
        if self.contexts is None:
            # Each step of a linear path is one instance: its gain is what it adds.
            return np.asarray(chosen & (gain / scores.cost >= self.rule.epsilon))
        one_hot = self.binning.one_hot(problem.features)
        predict = self._predict_pool(int((gain > -np.inf).sum()))
        value = worth(gain, scores.cost)
        epsilon = self.rule.epsilon
        return until_marginal(chosen, value, scores.cost, one_hot, predict=predict, epsilon=epsilon)

    def report(self) -> dict[str, Any]:
        """As `routing.predictor.report.report_of` describes it."""
        models = {
            kind: asdict(curve[-1]) | {"learning_curve": [asdict(fit) for fit in curve]}
            for kind, curve in self.predictor.curves.items()
        }
        features = dict(zip(self.binning.columns, self._features(), strict=True))
        return asdict(self.predictor.held_out) | {
            "mixes": self.predictor.mixes,
            "model": self.predictor.model.kind,
            "best": self.predictor.best,
            "models": models,
            "rule": asdict(self.rule),
            "gains": {"share": self.rule.share} | dict(self.seed_gains),
            "explanation": [
                asdict(row) | {"feature": features[row.column]} for row in self.explanation
            ],
            "notes": list(self.notes),
            "dropped": list(self.binning.dropped),
        }

    def _features(self) -> list[str]:
        """The feature of each column."""
        cuts = [cut.feature for cut in self.binning.cuts for _ in cut.words]
        return cuts + [name for name, values in self.binning.tags for _ in values]

    def _gain_at(self, problem: Problem, scores: Scores, budget: float) -> Floats:
        """The gains where the budget ends; −inf stays where nothing may be bought."""
        closed = scores.gain == -np.inf
        total = float(scores.cost[~closed].sum())
        if self.contexts is None or not total or budget <= 0:
            return scores.gain
        gains = self.gains(min(1.0, budget / total))
        gain = np.full(len(problem), -np.inf)
        for start, one_hot in self._chunks(problem.features):
            rows = slice(start, start + len(one_hot))
            gain[rows] = gains.of(with_mean_bins(one_hot, self.binning.groups))
        gain[closed] = -np.inf
        return gain

    def _simulated(
        self, problem: Problem, gain: Floats, cost: Floats, budget: float, salt: str
    ) -> Bools:
        allowed = np.flatnonzero(gain > -np.inf)
        mask = np.zeros(len(problem), dtype=bool)
        if len(allowed):
            one_hot = self.binning.one_hot(problem.features)[allowed]
            predict = self._predict_pool(len(allowed))
            draws = self.rule.draws
            mask[allowed] = best_drawn(
                one_hot, cost[allowed], budget, predict, draws=draws, salt=salt
            )
        return mask

    def _predict_pool(self, size: int) -> Callable[[Floats], Floats]:
        """Accuracy of counts of a pool of `size`: scaled to the size of the seed first."""
        return lambda counts: self.predictor.predict(counts * (self.dual_labelled / max(1, size)))

    def _chunks(self, features: FeatureTable) -> Iterator[tuple[int, Hot]]:
        for start in range(0, len(features), CHUNK):
            rows = slice(start, start + CHUNK)
            tags = {name: given[rows] for name, given in features.categories.items()}
            yield (
                start,
                self.binning.one_hot(FeatureTable(features.names, features.values[rows], tags)),
            )

    def to_json(self) -> dict[str, Any]:
        contexts = self.contexts
        return {
            "strategy": f"hyper-{self.predictor.model.kind}",
            "binning": self.binning.to_json(),
            "predictor": self.predictor.to_json(),
            "explanation": [asdict(row) for row in self.explanation],
            "dual_labelled": self.dual_labelled,
            "contexts": contexts and contexts.to_json(),
            "rule": asdict(self.rule),
            "notes": list(self.notes),
            "seed_gains": dict(self.seed_gains),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Reads what was stored before there were rules, contexts and notes, too."""
        contexts = stored.get("contexts")
        return cls(
            Binning.from_json(stored["binning"]),
            Predictor.from_json(stored["predictor"]),
            tuple(Contrast(**row) for row in stored["explanation"]),
            stored["dual_labelled"],
            contexts and Contexts.from_json(contexts),
            Rule(**stored.get("rule", {})),
            tuple(stored.get("notes", ())),
            stored.get("seed_gains", {}),
        )


def block_of(dual_labelled: int) -> int:
    """How many similar instances a predictor of steps is asked about: a twentieth of the seed."""
    return max(1, round(dual_labelled / 20))


def fit(
    seed: Seed,
    *,
    rng_seed: int = 0,
    salt: str = "hyper",
    mixes: int = MIXES,
    ridge: float = proxy.RIDGE,
    alpha: float | None = None,
    model: str = Linear.kind,
    report: bool = True,
    **rule: Any,
) -> HyperRouter:
    """Fit on dual-labelled instances with embeddings; refuses what cannot be fitted.

    The prompts of the seed are cut in two halves by salted hash. A proxy trained on one half is
    evaluated on the human labels of the other, so the target of a mix (the pooled accuracy of
    its two proxies) never rests on a label the proxy was trained on, and no label is wasted.

    `model` is linear, quadratic or boosted; `alpha` its ridge (None: its own). With `report` the
    other models are measured on the same mixes and the explanation has intervals over resampled
    mixes. `rule` are fields of `Rule`: selection, share, epsilon, draws.

    Raises:
        InvalidInput: fewer than 10 dual-labelled instances or 4 prompts, no embeddings, people
            tie everywhere, or an option that makes no sense.
    """
    how = Rule(**rule)
    seed, D = usable(seed)
    half = halves(seed.prompts, salt)
    rng = np.random.default_rng(rng_seed)
    cut = binning.fit(seed.problem.features)
    one_hot = cut.one_hot(seed.problem.features)
    mask = draw_mixes(one_hot, mixes, rng)
    target = cross_accuracy(D, np.where(mask, seed.human, seed.judge), seed.human, half, ridge)
    counts = feature_counts(mask, one_hot)
    beside = tuple(performance.MODELS) if report else ()
    predictor = performance.fit(counts, target, rng, alpha=alpha, kind=model, beside=beside)
    contexts = None if model == Linear.kind else _contexts(counts, one_hot, mask)
    router = HyperRouter(cut, predictor, (), len(seed), contexts, how, notes_of(seed, target))
    resample = rng if report else None
    gain = router.gains().of(with_mean_bins(one_hot, cut.groups))
    return replace(
        router,
        explanation=_explain(router, one_hot, counts, target, resample),
        seed_gains={
            "zero": float((gain == 0).mean()),
            "positive": float((gain > 0).mean()),
            "mean": float(gain.mean()),
        },
    )


def _contexts(counts: Floats, one_hot: Hot, mask: Bools) -> Contexts:
    """At most 128 of the mixes, evenly over their sizes."""
    sizes = mask.sum(axis=1, dtype=np.int64)
    order = np.argsort(sizes, kind="stable")
    kept = order[np.unique(np.linspace(0, len(order) - 1, CONTEXTS).astype(np.int64))]
    return Contexts(counts[kept], sizes[kept], one_hot.mean(axis=0))


def _explain(
    router: HyperRouter,
    one_hot: Hot,
    counts: Floats,
    target: Floats,
    rng: np.random.Generator | None,
) -> tuple[Contrast, ...]:
    """Contrasts of all columns; with intervals where there is an `rng` to resample mixes."""
    groups, mean = router.binning.groups, one_hot.mean(axis=0)

    def read(model: Model) -> Floats:
        again = replace(router, predictor=replace(router.predictor, model=model))
        return performance.contrasts(again.gains().coefficients(mean, groups), groups)[1]

    interval = None
    if rng is not None and len(groups):
        interval = over_mixes(router.predictor, counts, target, read, rng)
    instances = one_hot.sum(axis=0, dtype=np.int64)
    found = read(router.predictor.model)
    return performance.explain(router.binning.columns, found, instances, interval)
