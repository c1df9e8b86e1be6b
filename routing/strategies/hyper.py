"""HyPER, linear: the gain of a human label is what the performance predictor says it adds.

"Hybrid Preferences", ACL 2025: draw candidate mixes on a dual-labelled seed, train a proxy reward
model on each, regress its accuracy on what the mix is made of, and read the gain off the
coefficients.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features import binning
from routing.features.binning import Binning
from routing.features.table import Bools, Floats
from routing.predictor import performance, proxy
from routing.predictor.mixes import draw_mixes, feature_counts
from routing.predictor.performance import Contrast, Predictor
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import strongest

MIXES = 200


@dataclass(frozen=True)
class HyperRouter:
    """A fitted router: cut points, coefficients, and how well they predict. All plain numbers."""

    binning: Binning
    predictor: Predictor
    explanation: tuple[Contrast, ...]
    dual_labelled: int

    @property
    def reads_judge(self) -> bool:
        return self.binning.reads_judge

    def score(self, problem: Problem) -> Scores:
        """Gain = one_hot · coefficients; an unknown feature counts as its mean bin."""
        base, contrast = performance.contrasts(
            np.array(self.predictor.coefficients), self.binning.groups
        )
        one_hot = self.binning.one_hot(problem.features)
        gain = base + one_hot @ contrast
        return scores(problem, gain, strongest(one_hot, contrast, self.binning.columns))

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "hyper-linear",
            "binning": self.binning.to_json(),
            "predictor": self.predictor.to_json(),
            "explanation": [asdict(row) for row in self.explanation],
            "dual_labelled": self.dual_labelled,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            Binning.from_json(stored["binning"]),
            Predictor.from_json(stored["predictor"]),
            tuple(Contrast(**row) for row in stored["explanation"]),
            stored["dual_labelled"],
        )


def fit(
    seed: Seed,
    *,
    rng_seed: int = 0,
    salt: str = "hyper",
    mixes: int = MIXES,
    ridge: float = proxy.RIDGE,
    alpha: float = performance.ALPHA,
) -> HyperRouter:
    """Fit on dual-labelled instances with embeddings; refuses what cannot be fitted.

    The prompts of the seed are cut in two halves by salted hash. A proxy trained on one half is
    evaluated on the human labels of the other, so the target of a mix (the pooled accuracy of
    its two proxies) never rests on a label the proxy was trained on, and no label is wasted.
    """
    if seed.differences is None:
        raise InvalidInput("The router's proxies need embeddings: run an encoder first.")
    half = halves(seed.prompts, salt)
    rng = np.random.default_rng(rng_seed)
    cut = binning.fit(seed.problem.features)
    one_hot = cut.one_hot(seed.problem.features)
    mask = draw_mixes(one_hot, mixes, rng)
    labels = np.where(mask, seed.human, seed.judge)
    target = _cross_accuracy(seed.differences, labels, seed.human, half, ridge)
    predictor = performance.fit(feature_counts(mask, one_hot), target, rng, alpha)
    _, contrast = performance.contrasts(np.array(predictor.coefficients), cut.groups)
    explanation = performance.explain(cut.columns, contrast, one_hot.sum(axis=0, dtype=np.int64))
    return HyperRouter(cut, predictor, explanation, len(seed))


def halves(prompts: tuple[str, ...], salt: str) -> Bools:
    """(n,) which half of the prompts (ordered by salted hash) an instance belongs to."""
    distinct = sorted(set(prompts), key=lambda p: unit_interval(salt, "half", p))
    if len(distinct) < 4:
        raise InvalidInput(
            f"The seed has {len(distinct)} prompts; a router needs at least 4: 2 to train its "
            "proxies on and 2 to evaluate them."
        )
    first = set(distinct[: len(distinct) // 2])
    return np.array([p in first for p in prompts], dtype=bool)


def _cross_accuracy(D: Floats, labels: Floats, human: Floats, half: Bools, ridge: float) -> Floats:
    """(mixes,) accuracy of the proxies of each mix, each half judged by the other's proxy."""
    hits = []
    for train in (half, ~half):
        W = proxy.fit_heads(D[train], labels[:, train], ridge=ridge)
        hits.append(proxy.head_hits(W, D[~train], human[~train]))
    pooled = np.hstack(hits)
    if not pooled.shape[1]:
        raise InvalidInput("People tie on every seed instance: there is nothing to learn from.")
    return np.asarray(pooled.mean(axis=1))
