"""Criteria that pull apart: how often who wins on one loses on another. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from annotation.judges.report.units import listed, share

from .fitting import MOST_BEHIND, plain
from .units import PEOPLE, Places, Scene

Json = dict[str, Any]
Pair = tuple[int, Places]


def conflicts(scene: Scene) -> list[Json]:
    """Per source and pair of criteria: the share of pairs decided on both with other winners.

    The winner of a criterion is who got more of all labels of the source; the interval is 95 %,
    over prompts.
    """
    sources = sorted({source for _, source in scene.by_source})
    wide = [key for key in sources if key == PEOPLE or key.startswith("judge:")]
    found = []
    for source in wide:
        winners = {key: winners_of(scene, key, source) for key in scene.criteria}
        for a, b in combinations(scene.criteria, 2):
            row = _conflict(scene, winners[a], winners[b])
            if row is not None:
                found.append({"source": source, "a": a, "b": b, **row})
    return found


def winners_of(scene: Scene, criterion: str, source: str) -> dict[Pair, int]:
    """1 or −1 per pair of completions of an instance; without those that are even."""
    sums: dict[Pair, float] = defaultdict(float)
    for opinion in scene.of(criterion, source):
        for places, given in opinion.shares.items():
            sums[opinion.instance, places] += given - 0.5
    return {pair: 1 if total > 0 else -1 for pair, total in sums.items() if abs(total) > 1e-9}


def _conflict(scene: Scene, first: Mapping[Pair, int], second: Mapping[Pair, int]) -> Json | None:
    both = [pair for pair in first if pair in second]
    against = [pair for pair in both if first[pair] != second[pair]]
    told = share(
        (scene.things[pair[0]].prompt, float(first[pair] != second[pair])) for pair in both
    )
    if told is None:
        return None
    return plain(told) | {"behind": listed(pair[0] for pair in against)[:MOST_BEHIND]}
