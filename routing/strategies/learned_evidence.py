"""What speaks against a judge's verdict, as columns of one design.

Three kinds of columns, and what is believed of each before any label is seen (`prior`, in log-odds
of "the judge is wrong" for one standard deviation):

* **directed** evidence prefers a side: another judge's verdict, which generator or wording the
  judges usually prefer, which completion is longer. Its column is minus its product with the
  judge's own choice: positive where it contradicts the judge.
* **doubts** are the judge's own (a flip, a gap) and its panel's.
* everything else (lengths, similarities, tags) is believed to say nothing until labels say it does.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from routing.features.evidence import (
    HABITS,
    JUDGE_GENERATORS,
    JUDGE_TEXTS,
    LENGTH,
    PANEL_GENERATORS,
    PANEL_SIDE,
    PANEL_TEXTS,
    is_directed,
)
from routing.features.table import Floats
from routing.strategies.problem import Problem

# In log-odds per standard deviation: one clear doubt about doubles the odds of an error, another
# judge's verdict does more, and the judges' habits less.
_PRIOR = {
    JUDGE_TEXTS: 0.7,
    JUDGE_GENERATORS: 0.7,
    PANEL_TEXTS: 0.3,
    PANEL_GENERATORS: 0.3,
    "judge_flip": 0.7,
    "judge_gap": 0.5,
    "judge_confidence": -0.7,
    "panel_disagreement": 0.7,
    "panel_spread": 0.3,
    "reward_variance": 0.3,
    "reward_margin": -0.3,
    "strong_confidence": -0.3,
}
# Doubts that lie between 0 and 1, and the smallest scale such a one can have.
_SHARES = frozenset({"judge_flip", "judge_confidence", "panel_disagreement"})
_LEAST_SPREAD = 0.25
_WORDS = {
    JUDGE_TEXTS: "the judge usually prefers completions like the other one",
    PANEL_TEXTS: "other judges usually prefer completions like the other one",
    JUDGE_GENERATORS: "the judge usually prefers the other one's generator",
    PANEL_GENERATORS: "other judges usually prefer the other one's generator",
    "judge_flip": "judge flips when the order is swapped",
    "judge_gap": "judge's verdict depends on the order",
    "judge_confidence": "judge unsure",
    "panel_disagreement": "other judges disagree",
    "panel_spread": "judges are of different minds",
    "reward_variance": "reward models are of different minds",
    "reward_margin": "reward model sees little difference",
    "strong_confidence": "stronger judge unsure",
}
# A tag seen less often on the seed says too little to get a column of its own.
_TAGGED = 3


@dataclass(frozen=True)
class Column:
    """One column: `kind` directed | doubt | text | tag | side; `tag` the value that fires it.

    Its value is (x − centre) / scale, times minus the judge's choice for a directed one; an
    unknown value counts as the centre.
    """

    name: str
    kind: str
    centre: float = 0.0
    scale: float = 1.0
    prior: float = 0.0
    tag: str = ""

    @property
    def words(self) -> tuple[str, str]:
        """What a positive and what a negative share of the score says."""
        found = {
            "tag": (f"{self.name}: {self.tag}", f"{self.name}: not {self.tag}"),
            "side": ("judge prefers the first completion", "judge prefers the second completion"),
        }.get(self.kind)
        return found or _spoken(self.name)

    def values(self, problem: Problem, choice: Floats) -> Floats:
        """(n,) of the instances; `choice` (n,) is 1, −1, or 0 where the judge has none."""
        if self.kind == "side":
            return choice
        if self.kind == "tag":
            given = problem.features.categories.get(self.name, ("",) * len(problem))
            return np.array([float(tag == self.tag) for tag in given]) - self.centre
        found = problem.features.column(self.name)
        if found is None:
            return np.zeros(len(problem))
        scaled = np.nan_to_num((found - self.centre) / self.scale, nan=0.0)
        return -scaled * choice if self.kind == "directed" else scaled

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)


def _spoken(name: str) -> tuple[str, str]:
    """What a number says that is high, and one that is low; of directed ones, that speaks against
    the judge's choice, and for it."""
    spoken = name.replace("_", " ")
    if name == LENGTH:
        return "the judge prefers the shorter completion", "the judge prefers the longer completion"
    if name in _WORDS:
        return _WORDS[name], f"not so: {_WORDS[name]}"
    if name.startswith(PANEL_SIDE):
        other = name.removeprefix(PANEL_SIDE)
        return f"{other} prefers the other completion", f"{other} agrees with the judge"
    if is_directed(name):
        return f"{spoken} speaks for the other completion", f"{spoken} agrees with the judge"
    return f"{spoken} high", f"{spoken} low"


def choices(judge: Floats) -> Floats:
    """(n,) 1 where the judge prefers the first, −1 the second, 0 where it ties or was not asked."""
    return np.asarray(np.nan_to_num(np.sign(judge - 0.5), nan=0.0))


def columns_of(problem: Problem) -> tuple[Column, ...]:
    """The columns of a seed; a feature that is the same everywhere, or unknown, gets none.

    Verdicts of others and doubts between 0 and 1 keep their column and a scale of their own: a
    small seed on which nothing differs says nothing against them.
    """
    found = [_numeric(name, problem.features.column(name)) for name in problem.features.names]
    tags = [
        Column(name, "tag", centre=float(np.mean(np.array(given) == value)), tag=value)
        for name, given in problem.features.categories.items()
        for value in _frequent(given)
    ]
    return (*(column for column in found if column), *tags, Column("judge", "side"))


def _numeric(name: str, values: Floats | None) -> Column | None:
    known = np.zeros(0) if values is None else values[~np.isnan(values)]
    if name.startswith(PANEL_SIDE) and name not in _PRIOR:
        return Column(name, "directed", prior=1.0)
    if not len(known):
        return _unseen(name)
    if is_directed(name):
        # Not centred: a side has a zero.
        scale = float(np.sqrt((known**2).mean()))
        prior = _PRIOR.get(name, 0.0)
        return Column(name, "directed", scale=scale, prior=prior) if scale > 0 else None
    centre, spread = float(known.mean()), float(known.std())
    if name in _SHARES:
        return Column(name, "doubt", centre, max(spread, _LEAST_SPREAD), _PRIOR[name])
    if spread <= 1e-12 * max(1.0, float(np.abs(known).max())):
        return None
    kind = "doubt" if name in _PRIOR else "text"
    return Column(name, kind, centre, spread, _PRIOR.get(name, 0.0))


def _unseen(name: str) -> Column | None:
    """A column that no seed instance tells anything of keeps what is believed of it."""
    if name in _SHARES:
        return Column(name, "doubt", 0.5, _LEAST_SPREAD, _PRIOR[name])
    return Column(name, "directed", prior=_PRIOR[name]) if name in HABITS else None


def _frequent(given: tuple[str, ...]) -> list[str]:
    values, counts = np.unique(np.array(given, dtype=str), return_counts=True)
    seen = zip(values.tolist(), counts.tolist(), strict=True)
    return [value for value, count in seen if value and _TAGGED <= count < len(given)]
