"""Whether an answer is right where the answer is known. Pure.

An accepted answer has the keys of a draft: `ranking`, `tie_kind` or `scores` (with `within`, by
how much a score may differ). Sides count, strength and confidence do not; completions that an
accepted ranking ties without calling it a tie are free.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Given:
    """What an annotator answered on one criterion, by canonical position."""

    ranking: Sequence[int] = ()
    tie_kind: str = ""
    scores: Sequence[int | None] = ()
    unranked: Sequence[int] = field(default_factory=tuple)


def is_right(given: Given, accepted: Iterable[Mapping[str, Any]]) -> bool:
    """One of the accepted answers matches."""
    return any(_matches(given, answer) for answer in accepted)


def _matches(given: Given, answer: Mapping[str, Any]) -> bool:
    if answer.get("tie_kind") or given.tie_kind:
        return bool(given.tie_kind == answer.get("tie_kind", ""))
    if answer.get("scores"):
        return _scores_match(given.scores, answer["scores"], answer.get("within", 0))
    return _sides_match(given, answer.get("ranking", []))


def _scores_match(given: Sequence[int | None], wanted: Sequence[int | None], within: float) -> bool:
    return len(given) == len(wanted) and all(
        want is None or (score is not None and abs(score - want) <= within)
        for score, want in zip(given, wanted, strict=True)
    )


def _sides_match(given: Given, wanted: Sequence[int]) -> bool:
    if not wanted or len(given.ranking) != len(wanted):
        return False
    size, unranked = len(wanted), set(given.unranked)
    pairs = [(i, j) for i in range(size) for j in range(size) if wanted[i] < wanted[j]]
    return all(given.ranking[i] < given.ranking[j] and not {i, j} <= unranked for i, j in pairs)
