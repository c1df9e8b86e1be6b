"""Judge uncertainty: people label where the judge is unsure of itself or alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable, Floats
from routing.strategies.problem import Problem, Scores, scores
from routing.strategies.reasons import Phrases

# Each signal and what it says where it is in doubt.
SIGNALS = {
    "judge_flip": "judge flips when the order is swapped",
    "panel_disagreement": "other judges disagree",
    "judge_confidence": "judge unsure",
}
MORE = {
    "judge_gap": "judge's answers in the two orders lie apart",
    "panel_spread": "judges' answers lie apart",
    "judge_entropy": "judge unsure",
}
WORDS = SIGNALS | MORE
SURE = "judge seems sure"
UNKNOWN = "no judge signal is known"
COMBINE: Mapping[str, Callable[[Floats], Floats]] = {
    "max": lambda doubts: doubts.max(axis=0),
    "mean": lambda doubts: doubts.mean(axis=0),
}


@dataclass(frozen=True)
class JudgeUncertainty:
    """The largest of the signals counts, or their mean; an unknown signal counts as certain.

    Each signal is brought to a doubt in [0, 1]: 1 − confidence, the entropy of the judge's p in
    bits, twice the panel's standard deviation, and flip, gap and disagreement as they are.
    """

    signals: tuple[str, ...] = tuple(SIGNALS)
    combine: str = "max"
    reads_judge: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "signals", tuple(self.signals))
        if unknown := [name for name in self.signals if name not in WORDS]:
            raise InvalidInput(f"There is no signal {unknown[0]!r}: choose of {', '.join(WORDS)}.")
        if self.combine not in COMBINE:
            raise InvalidInput(f"Signals are combined by {' or '.join(COMBINE)}.")

    def score(self, problem: Problem) -> Scores:
        found = {name: doubt(problem.features, name) for name in self.signals}
        given = {name: values for name, values in found.items() if values is not None}
        if not given:
            raise InvalidInput(
                "Judge uncertainty needs a judge signal (" + ", ".join(self.signals) + ")."
            )
        known = np.stack(list(given.values()))
        doubts = np.nan_to_num(known, nan=0.0)
        gain = COMBINE[self.combine](doubts)
        return scores(problem, gain, _reasons(known, doubts, [WORDS[name] for name in given]))

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "judge-uncertainty",
            "signals": list(self.signals),
            "combine": self.combine,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(tuple(stored["signals"]), stored.get("combine", "max"))


def _reasons(known: Floats, doubts: Floats, words: list[str]) -> Phrases:
    """The two largest doubts of each instance from ½ up; else that the judge seems sure."""
    order = np.argsort(-doubts, axis=0, kind="stable")[:2]
    codes = np.where(np.take_along_axis(doubts, order, axis=0) >= 0.5, order, -1).T
    sure = np.where(np.isnan(known).all(axis=0), len(words) + 1, len(words))
    codes[:, 0] = np.where(codes[:, 0] < 0, sure, codes[:, 0])
    return Phrases(codes.astype(np.int64), [*words, SURE, UNKNOWN])


def doubt(table: FeatureTable, name: str) -> Floats | None:
    """(n,) a signal as a doubt in [0, 1], NaN where unknown; None where the table lacks it."""
    value = table.column("judge_confidence" if name == "judge_entropy" else name)
    if value is None:
        return None
    if name == "judge_confidence":
        return np.asarray(1 - value)
    if name == "judge_entropy":
        return entropy((1 + value) / 2)
    return np.clip(2 * value, 0, 1) if name == "panel_spread" else value


def entropy(p: Floats) -> Floats:
    """(n,) entropy of a coin in bits: 1 at ½, 0 at 0 and 1."""
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    bits = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return np.where((p <= 0) | (p >= 1), 0.0, bits)
