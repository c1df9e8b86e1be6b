"""Judges' habits: which generators and which wording they usually prefer, as numbers.

Learned from verdicts alone, never from a human label. Prompts are dealt into parts by their hash,
and an instance is judged by the habit that the *other* parts taught, so no verdict ever explains
itself. A prompt that comes later belongs to a part too: it is scored without learning anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from core.hashing import unit_interval
from routing.features.table import Floats, Ints
from routing.predictor.proxy import fit_heads

PARTS = 10
# A generator's strength is a ridge estimate: one verdict on it moves it by less than one.
GENERATOR_RIDGE, TEXT_RIDGE = 1.0, 5.0
# Under this name they stand among the parameters of a router.
KEPT = "habits"
# Heads are kept to so many decimals: a router is read back exactly as it was fitted.
_DECIMALS = 6

Pairs = Sequence[tuple[str, str]]
Vectors = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Heads:
    """(parts, d) heads of the judge, and the mean of the other judges' where there are any."""

    judge: Floats
    panel: Floats | None

    def named(self, mine: str, theirs: str) -> dict[str, Floats]:
        return {mine: self.judge} | ({} if self.panel is None else {theirs: self.panel})

    def to_json(self) -> dict[str, Any]:
        panel = None if self.panel is None else self.panel.tolist()
        return {"judge": self.judge.tolist(), "panel": panel}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        panel = stored["panel"]
        return cls(np.array(stored["judge"]), None if panel is None else np.array(panel))


@dataclass(frozen=True, eq=False)
class Habits:
    """`cuts` are the hashes at which parts begin; `encoder` the extractor of the embeddings that
    `by_text` reads. A generator that is not among `generators` counts as an average one."""

    cuts: tuple[float, ...]
    generators: tuple[str, ...] = ()
    by_generator: Heads | None = None
    by_text: Heads | None = None
    encoder: str = ""

    def part(self, prompts: Sequence[str]) -> Ints:
        """(n,) the part of each prompt."""
        places = np.array([unit_interval("habit", prompt) for prompt in prompts])
        return np.asarray(np.searchsorted(np.array(self.cuts), places, side="right"))

    def of_generators(self, heads: Floats, part: Ints, pairs: Pairs) -> Floats:
        """(n,) the margin of the first generator over the second."""
        place = {name: i for i, name in enumerate(self.generators)}
        strength = np.column_stack([heads, np.zeros(len(heads))])
        first, second = (
            np.array([place.get(pair[side], -1) for pair in pairs], dtype=np.int64)
            for side in (0, 1)
        )
        return np.asarray(strength[part, first] - strength[part, second])

    def to_json(self) -> dict[str, Any]:
        return {
            "cuts": list(self.cuts),
            "generators": list(self.generators),
            "by_generator": self.by_generator and self.by_generator.to_json(),
            "by_text": self.by_text and self.by_text.to_json(),
            "encoder": self.encoder,
        }

    @classmethod
    def kept_in(cls, parameters: Mapping[str, Any]) -> Self | None:
        """What a router was stored with; None where it reads no habits."""
        stored = parameters.get(KEPT)
        return None if stored is None else cls.from_json(stored)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        generators, text = stored["by_generator"], stored["by_text"]
        return cls(
            tuple(stored["cuts"]),
            tuple(stored["generators"]),
            generators and Heads.from_json(generators),
            text and Heads.from_json(text),
            stored["encoder"],
        )


def of_texts(heads: Floats, part: Ints, differences: Vectors) -> Floats:
    """(n,) the margin of the first completion; NaN where it has no embedding."""
    margin = np.full(len(part), np.nan)
    if differences.shape[1] == heads.shape[1]:
        for number in np.unique(part):
            rows = part == number
            margin[rows] = differences[rows] @ heads[number]
    return margin


def learn(
    prompts: Sequence[str],
    judge: Floats,
    others: Mapping[str, Floats],
    *,
    generators: Pairs | None = None,
    differences: Vectors | None = None,
    encoder: str = "",
) -> Habits:
    """The habits of the judge and of the others beside it, from what they said of n instances.

    Args:
        judge: (n,) P(first preferred), NaN where it was not asked; `others` the same by name.
        generators: of the first and of the second completion, blank where unknown.
        differences: (n, d) embeddings of the first minus the second, NaN where there is none.
    """
    cuts = _cuts(prompts)
    part = Habits(cuts).part(prompts)
    parts = len(cuts) + 1
    names = tuple(sorted({name for pair in generators or () for name in pair if name}))
    by_generator = by_text = None
    if generators is not None and len(names) > 1:
        X = _incidence(names, generators)
        by_generator = _heads(X, judge, others, part, parts, GENERATOR_RIDGE)
    if differences is not None:
        known = np.asarray(np.isfinite(differences).all(axis=1))
        D = np.where(known[:, None], differences, 0.0)
        mine = np.where(known, judge, np.nan)
        theirs = {name: np.where(known, p, np.nan) for name, p in others.items()}
        by_text = _heads(D, mine, theirs, part, parts, TEXT_RIDGE)
    return Habits(cuts, names if by_generator else (), by_generator, by_text, encoder)


def _cuts(prompts: Sequence[str]) -> tuple[float, ...]:
    """Where parts of about as many prompts each begin; at least two parts where there are two."""
    places = sorted({unit_interval("habit", prompt) for prompt in prompts})
    parts = min(PARTS, len(places))
    return tuple(places[len(places) * number // parts] for number in range(1, parts))


def _heads(  # noqa: PLR0917
    X: Vectors, judge: Floats, others: Mapping[str, Floats], part: Ints, parts: int, ridge: float
) -> Heads:
    """A head of every reader for every part, all solved together."""
    said = np.stack([judge, *(p for p in others.values() if not np.isnan(p).all())])
    known = ~np.isnan(said)
    # (readers, parts, n) 1 where a verdict may teach the part.
    teaches = known[:, None, :] & np.asarray(part != np.arange(parts)[:, None])[None]
    labels = np.repeat(np.where(known, said, 0.5), parts, axis=0)
    weights = teaches.reshape(len(labels), -1).astype(np.float64)
    D = np.asarray(X, dtype=np.float64)
    found = np.round(fit_heads(D, labels, weights, ridge=ridge), _DECIMALS)
    each = found.reshape(len(said), parts, -1)
    return Heads(each[0], np.round(each[1:].mean(axis=0), _DECIMALS) if len(said) > 1 else None)


def _incidence(names: Sequence[str], generators: Pairs) -> Floats:
    """(n, generators) 1 for the first completion's, −1 for the second's; 0 where they are one."""
    place = {name: i for i, name in enumerate(names)}
    X = np.zeros((len(generators), len(place)))
    for row, (first, second) in enumerate(generators):
        if first in place and second in place:
            X[row, place[first]] += 1
            X[row, place[second]] -= 1
    return X
