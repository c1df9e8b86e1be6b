"""Which candidates of a prompt are shown for labelling. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.hashing import unit_interval

Floats = NDArray[np.float64]


def distinct(texts: Sequence[str]) -> list[int]:
    """Positions of the candidates that say something, each text once."""
    first: dict[str, int] = {}
    for position, text in enumerate(texts):
        if text.strip():
            first.setdefault(text.strip(), position)
    return list(first.values())


def best_worst(rewards: Floats, show: int) -> list[int]:
    """The best and the worst, then the next best and the next worst: the widest gaps.

    Args:
        rewards: (K,).
    """
    order = np.argsort(-rewards, kind="stable").tolist()
    chosen: list[int] = []
    while order and len(chosen) < show:
        chosen.append(order.pop(0 if len(chosen) % 2 == 0 else -1))
    return chosen


def informative(rewards: Floats, show: int) -> list[int]:
    """Neighbours by reward with the smallest spread: what the reward model cannot tell apart.

    Args:
        rewards: (K,).
    """
    order = np.argsort(-rewards, kind="stable")
    ranked = rewards[order]
    spreads = ranked[: len(ranked) - show + 1] - ranked[show - 1 :]
    start = int(np.argmin(spreads))
    return [int(k) for k in order[start : start + show]]


def diverse(rewards: Floats, similarity: Floats, show: int) -> list[int]:
    """Greedily what is good and unlike what is chosen (maximal marginal relevance).

    The score of a candidate is its reward on a scale of mean 0 and deviation 1, less its largest
    similarity to what is chosen already.

    Args:
        rewards: (K,).
        similarity: (K, K) from 0 (unlike) to 1 (the same).
    """
    spread = rewards.std() or 1.0
    quality = (rewards - rewards.mean()) / spread
    chosen = [int(np.argmax(quality))]
    while len(chosen) < show:
        worth = quality - similarity[:, chosen].max(axis=1)
        worth[chosen] = -np.inf
        chosen.append(int(np.argmax(worth)))
    return chosen


def word_overlap(texts: Sequence[str]) -> Floats:
    """(K, K) Jaccard similarity of the words of each two texts."""
    words = [set(text.lower().split()) for text in texts]
    return np.array(
        [[len(a & b) / max(len(a | b), 1) for b in words] for a in words], dtype=np.float64
    )


def choose(
    rule: str, texts: Sequence[str], rewards: Sequence[float] | None, show: int, *, salt: str
) -> list[int]:
    """Positions of the `show` candidates to label, in an order that says nothing of their worth.

    Empty where fewer than `show` differ. `rewards` may be None for the rule "random" only.
    """
    left = distinct(texts)
    if len(left) < show:
        return []
    shuffled = sorted(left, key=lambda position: unit_interval(salt, position))
    if rule == "random" or rewards is None:
        return shuffled[:show]
    values = np.asarray([rewards[position] for position in left], dtype=np.float64)
    if rule == "best-worst":
        places = best_worst(values, show)
    elif rule == "informative":
        places = informative(values, show)
    else:
        places = diverse(values, word_overlap([texts[position] for position in left]), show)
    wanted = {left[place] for place in places}
    return [position for position in shuffled if position in wanted]
