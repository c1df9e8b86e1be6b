"""What a router learned, as its page tells it, and what changed since the version before."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from routing.decisions.models import Router
from routing.features.binning import Binning
from routing.predictor.performance import contrasts
from routing.strategies.learned_evidence import Column

LEARNED, LEARNED_ERROR = "learned", "learned-error"
# In what a contrast is counted: accuracy of a reward model per label, or log-odds of an error.
ACCURACY, LOG_ODDS = "accuracy", "log-odds"
_WIDTH = NormalDist().inv_cdf(0.975)
# Of few dual-labelled instances little is learned.
FEW = 200
FIGURES = ("dual_labelled", "prompts", "disagreements", "spearman", "r2", "rmse")


@dataclass(frozen=True)
class Effect:
    """One column: its contrast with a 95 % interval where there is one, and what it rests on."""

    column: str
    contrast: float
    low: float | None
    high: float | None
    instances: int | None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Change:
    """A column that is new, gone, or moved beyond the intervals of both versions."""

    kind: str
    column: str
    before: float | None
    now: float | None


@dataclass(frozen=True)
class FigureChange:
    name: str
    before: float | int | None
    now: float | int | None


def unit_of(router: Router) -> str:
    """In what the contrasts of the router are counted."""
    strategy = router.strategy
    return ACCURACY if strategy.startswith("hyper") or strategy == "influence" else LOG_ODDS


def effects_of(router: Router) -> list[Effect]:
    """Its columns, the one that speaks most for people first; empty where it has none."""
    rows = router.report.get("explanation") or router.parameters.get("explanation") or []
    found = [
        Effect(
            str(row["column"]),
            float(row["contrast"]),
            row.get("low"),
            row.get("high"),
            row.get("instances"),
        )
        for row in rows
    ]
    if not found and router.strategy == LEARNED:
        found = _weights(router.parameters)
    if not found and router.strategy == LEARNED_ERROR:
        found = _contrasts(router.parameters)
    return sorted(found, key=lambda each: -each.contrast)


def _weights(stored: Mapping[str, Any]) -> list[Effect]:
    """Weights with their standard errors as 95 % intervals."""
    parts = zip(stored["columns"], stored["weights"], stored["errors"], strict=True)
    return [
        Effect(
            Column.from_json(column).words[0],
            weight,
            weight - _WIDTH * error,
            weight + _WIDTH * error,
            None,
        )
        for column, weight, error in parts
    ]


def _contrasts(stored: Mapping[str, Any]) -> list[Effect]:
    """Coefficients against the mean bin of their feature; the fit gives no intervals."""
    cut = Binning.from_json(stored["binning"])
    _, values = contrasts(np.array(stored["coefficients"]), cut.groups)
    pairs = zip(cut.columns, values.tolist(), strict=True)
    return [Effect(column, value, None, None, None) for column, value in pairs]


def changes(now: Router, before: Router | None) -> list[Change]:
    """Columns that moved, came or went; empty for the first version or another strategy."""
    if before is None or before.strategy != now.strategy:
        return []
    old = {each.column: each for each in effects_of(before)}
    new = {each.column: each for each in effects_of(now)}
    moved = [
        Change("moved", column, old[column].contrast, each.contrast)
        for column, each in new.items()
        if column in old and _moved(old[column], each)
    ]
    came = [Change("new", c, None, each.contrast) for c, each in new.items() if c not in old]
    went = [Change("gone", c, each.contrast, None) for c, each in old.items() if c not in new]
    return [*moved, *came, *went]


def _moved(old: Effect, new: Effect) -> bool:
    """Each estimate lies outside the interval of the other."""
    return _outside(old.contrast, new) and _outside(new.contrast, old)


def _outside(value: float, of: Effect) -> bool:
    return of.low is not None and of.high is not None and not of.low <= value <= of.high


def figure_changes(now: Router, before: Router | None) -> list[FigureChange]:
    """Figures that both or one of two versions have."""
    if before is None:
        return []
    rows = [FigureChange(name, _figure(before, name), _figure(now, name)) for name in FIGURES]
    return [row for row in rows if row.before is not None or row.now is not None]


def _figure(router: Router, name: str) -> float | int | None:
    if name == "dual_labelled":
        return router.dual_labelled
    value = router.report.get(name)
    return value if isinstance(value, int | float) else None


def models_of(router: Router) -> dict[str, dict[str, Any]]:
    """Held-out figures by kind of predictor: `{rmse, r2, spearman, mixes, learning_curve}`."""
    models = router.report.get("models")
    if models:
        return dict(models)
    predictor = router.parameters.get("predictor")
    if not predictor:
        return {}
    curves = predictor.get("curves") or {"linear": predictor["learning_curve"]}
    return {kind: {**curve[-1], "learning_curve": curve} for kind, curve in curves.items()}


def notes_of(router: Router) -> list[str]:
    """What its fit had to say, as sentences."""
    return [str(n) for n in router.report.get("notes") or router.parameters.get("notes") or []]


def dropped_of(router: Router) -> list[str]:
    """The features it could not use, each with why."""
    dropped = router.report.get("dropped")
    if dropped is None:
        dropped = router.parameters.get("binning", {}).get("dropped", [])
    return [str(each) for each in dropped]
