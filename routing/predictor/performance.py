"""The performance predictor: how good a reward model gets, from what its mix is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats, Ints
from routing.predictor import linear
from routing.predictor.boosted import Boosted
from routing.predictor.gains import Gains
from routing.predictor.linear import Linear
from routing.predictor.quadratic import Quadratic

ALPHA = linear.ALPHA
HELD_OUT = 0.2
LEARNING_CURVE = (0.25, 0.5, 0.75, 1.0)
LEAST_MIXES = 10


class Model(Protocol):
    """A fitted predictor of proxy accuracy (mixes,) from feature counts (mixes, columns)."""

    @property
    def kind(self) -> str: ...

    def predict(self, counts: Floats) -> Floats: ...

    def gains(self, contexts: Floats, block: int) -> Gains:
        """What an instance adds on average at the mixes `contexts` (mixes, columns)."""
        ...

    def to_json(self) -> dict[str, Any]: ...


MODELS: Mapping[str, type[Linear] | type[Quadratic] | type[Boosted]] = {
    model.kind: model for model in (Linear, Quadratic, Boosted)
}


@dataclass(frozen=True)
class Fit:
    """How well predictions match held-out mixes; None where a figure is undefined."""

    mixes: int
    rmse: float
    r2: float | None
    spearman: float | None


@dataclass(frozen=True)
class Predictor:
    """A model fitted on all mixes, and what one fitted on 80 % of them predicts of the others.

    `curves` holds the learning curve of every kind tried on the same mixes, its own among them;
    the last entry of a curve is what a fit on all of the 80 % reaches.
    """

    model: Model
    mixes: int
    curves: Mapping[str, tuple[Fit, ...]]

    @property
    def learning_curve(self) -> tuple[Fit, ...]:
        return self.curves[self.model.kind]

    @property
    def held_out(self) -> Fit:
        return self.learning_curve[-1]

    @property
    def best(self) -> str:
        """The kind with the smallest held-out RMSE of those that were tried."""
        return min(self.curves, key=lambda kind: self.curves[kind][-1].rmse)

    def predict(self, counts: Floats) -> Floats:
        return self.model.predict(counts)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model.to_json(),
            "mixes": self.mixes,
            "curves": {kind: [asdict(fit) for fit in curve] for kind, curve in self.curves.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Reads the first form too, which knew linear predictors only."""
        if "model" not in stored:
            curve = tuple(Fit(**fit) for fit in stored["learning_curve"])
            return cls(Linear.from_json(stored), stored["mixes"], {Linear.kind: curve})
        curves = {
            kind: tuple(Fit(**fit) for fit in curve) for kind, curve in stored["curves"].items()
        }
        return cls(
            MODELS[stored["model"]["kind"]].from_json(stored["model"]), stored["mixes"], curves
        )


@dataclass(frozen=True)
class Contrast:
    """One row of the explanation: what a column gains beyond the mean bin of its feature.

    `low` and `high` bound it over resampled mixes (95 %); None where none were resampled.
    """

    column: str
    contrast: float
    instances: int
    low: float | None = None
    high: float | None = None


def fit(
    counts: Floats,
    target: Floats,
    rng: np.random.Generator,
    *,
    alpha: float | None = None,
    kind: str = Linear.kind,
    beside: Sequence[str] = (),
) -> Predictor:
    """Fit on all mixes, after reporting what fits on 80 % of them predict of the other 20 %.

    counts (mixes, columns), target (mixes,) proxy accuracy. `alpha` is the ridge; None takes the
    kind's own. The kinds `beside` are measured on the same mixes, to be reported next to it. A
    learning curve fits on 25, 50, 75 and 100 % of the 80 %, always measured on the same 20 %.
    """
    if len(counts) < LEAST_MIXES:
        raise InvalidInput(
            f"A performance predictor needs at least {LEAST_MIXES} mixes, not {len(counts)}."
        )
    order = rng.permutation(len(counts))
    held = order[: max(2, round(HELD_OUT * len(order)))]
    kept = order[len(held) :]
    curves = {}
    for other in dict.fromkeys((kind, *beside)):
        ridge = alpha if other == kind else None
        parts = [kept[: max(2, round(share * len(kept)))] for share in LEARNING_CURVE]
        models = [fit_model(other, counts[part], target[part], ridge) for part in parts]
        curves[other] = tuple(
            measure(model.predict(counts[held]), target[held], mixes=len(part))
            for model, part in zip(models, parts, strict=True)
        )
    return Predictor(fit_model(kind, counts, target, alpha), len(counts), curves)


def fit_model(kind: str, counts: Floats, target: Floats, alpha: float | None = None) -> Model:
    """Raises InvalidInput, naming the known ones, for a kind of model that there is not."""
    if kind not in MODELS:
        raise InvalidInput(f"There is no predictor {kind!r}: choose one of {', '.join(MODELS)}.")
    return MODELS[kind].fit(counts, target, alpha)


def measure(predicted: Floats, actual: Floats, *, mixes: int) -> Fit:
    """RMSE, R² (None when the target is constant) and Spearman's ρ (None without ranks)."""
    error = predicted - actual
    constant = np.ptp(actual) <= 1e-12
    spread = float(((actual - actual.mean()) ** 2).sum())
    r2 = None if constant else 1 - float((error**2).sum()) / spread
    return Fit(mixes, float(np.sqrt((error**2).mean())), r2, spearman(predicted, actual))


def spearman(a: Floats, b: Floats) -> float | None:
    """Pearson correlation of average ranks; None when one side is constant."""
    ra, rb = _ranks(a), _ranks(b)
    if ra.std() == 0 or rb.std() == 0:
        return None
    return float(np.corrcoef(ra, rb)[0, 1])


def contrasts(coefficients: Floats, groups: Ints) -> tuple[float, Floats]:
    """(base, (columns,) contrasts): each coefficient minus the mean bin of its feature.

    `groups` numbers the feature of each column; base is the sum of those means, so that an
    instance with one column in each feature has gain base + Σ contrasts = one_hot·coefficients.
    """
    if not len(groups):
        return 0.0, np.zeros(0)
    sizes = np.bincount(groups)
    means = np.bincount(groups, weights=coefficients) / sizes
    return float(means.sum()), coefficients - means[groups]


def explain(
    columns: Sequence[str],
    contrast: Floats,
    instances: Ints | Floats,
    interval: tuple[Floats, Floats] | None = None,
) -> tuple[Contrast, ...]:
    """Rows sorted by contrast, the column that speaks most for people first.

    `interval` is (low, high), each (columns,).
    """
    low, high = interval or (None, None)
    return tuple(
        Contrast(
            columns[i],
            float(contrast[i]),
            int(instances[i]),
            None if low is None else float(low[i]),
            None if high is None else float(high[i]),
        )
        for i in np.argsort(-contrast)
    )


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(((last - counts + 1 + last) / 2)[inverse])
