"""Judge uncertainty: people label where the judge is unsure of itself or alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.strategies.problem import Problem, Scores, scores

# Each signal as an uncertainty in [0, 1], and what it says.
SIGNALS = {
    "judge_flip": "judge flips when the order is swapped",
    "panel_disagreement": "other judges disagree",
    "judge_confidence": "judge unsure",
}


@dataclass(frozen=True)
class JudgeUncertainty:
    """The largest of the signals counts; an unknown signal counts as certain."""

    signals: tuple[str, ...] = tuple(SIGNALS)
    reads_judge: bool = True

    def score(self, problem: Problem) -> Scores:
        columns, words = [], []
        for name in self.signals:
            value = problem.features.column(name)
            if value is not None:
                doubt = 1 - value if name == "judge_confidence" else value
                columns.append(np.nan_to_num(doubt, nan=0.0))
                words.append(SIGNALS[name])
        if not columns:
            raise InvalidInput(
                "Judge uncertainty needs a judge signal (" + ", ".join(self.signals) + ")."
            )
        doubts = np.stack(columns)
        strongest = doubts.argmax(axis=0)
        gain = doubts.max(axis=0)
        reason = [
            words[i] if g >= 0.5 else "judge seems sure"
            for i, g in zip(strongest, gain, strict=True)
        ]
        return scores(problem, gain, reason)

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "judge-uncertainty", "signals": list(self.signals)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(tuple(stored["signals"]))
