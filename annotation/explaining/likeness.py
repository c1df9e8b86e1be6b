"""How different the completions of an instance are, without a model. Pure: NumPy.

Two texts are as alike as the words and word pairs they share (Dice's coefficient 2|A∩B|/(|A|+|B|)
of their sets): 1 for the same text, 0 where they have no word in common. Diversity is 1 minus the
mean over all two completions of an instance.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from .factors import words_of
from .units import Places, Scene, Thing

Json = dict[str, Any]
# At least so alike are near-duplicates: a label on them says little.
NEAR = 0.8
BINS = 20
MOST_WORDS, MOST_COMPLETIONS = 4000, 16
MOST_BEHIND = 100


def alike(texts: Sequence[str]) -> dict[Places, float]:
    """Dice's coefficient of each two texts, by their places; of the first 16 completions."""
    sets = [_grams(text) for text in texts[:MOST_COMPLETIONS]]
    return {
        (i, j): 1.0 if texts[i] == texts[j] else _dice(sets[i], sets[j])
        for i, j in combinations(range(len(sets)), 2)
    }


def _grams(text: str) -> frozenset[Any]:
    words = words_of(text)[:MOST_WORDS]
    return frozenset([*words, *pairwise(words)])


def _dice(a: frozenset[Any], b: frozenset[Any]) -> float:
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0


def diversity(scene: Scene) -> Json | None:
    """Over all instances: the spread of diversity, near-duplicates, and each generator's likeness
    to the others. None where no instance has two completions."""
    things = [thing for thing in scene.things.values() if thing.alike]
    if not things:
        return None
    values = np.array([1 - float(np.mean(list(thing.alike.values()))) for thing in things])
    counts, edges = np.histogram(values, bins=BINS, range=(0, 1))
    near = [thing for thing in things if max(thing.alike.values()) >= NEAR]
    order = np.argsort(values, kind="stable")[:MOST_BEHIND]
    return {
        "instances": len(things),
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "bins": [[float(edges[at]), int(count)] for at, count in enumerate(counts)],
        "near": len(near),
        "near_pairs": sum(each >= NEAR for thing in things for each in thing.alike.values()),
        "pairs": sum(len(thing.alike) for thing in things),
        "near_behind": [thing.instance for thing in near[:MOST_BEHIND]],
        "least": [things[at].instance for at in order],
        "generators": _generators(things),
    }


def _generators(things: Iterable[Thing]) -> list[Json]:
    """How alike a generator's completions are to those beside them, the least alike first."""
    found: Mapping[str, list[float]] = defaultdict(list)
    for thing in things:
        for (i, j), value in thing.alike.items():
            for name in {thing.generators[i], thing.generators[j]} - {""}:
                found[name].append(value)
    rows = [
        {"name": name, "pairs": len(values), "diversity": 1 - float(np.mean(values))}
        for name, values in found.items()
    ]
    return sorted(rows, key=lambda row: (-row["diversity"], row["name"]))[:60]  # type: ignore[operator]
