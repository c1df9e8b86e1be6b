"""Preferences that go in a circle, among generators and among the completions of a prompt. Pure."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import islice
from typing import Any

import numpy as np

from annotation.consensus.cycles import BY_CHANCE, Triads, count, cycles, total, within
from annotation.judges.report.units import listed

from .units import Opinion, Scene

Json = dict[str, Any]
MOST_SHOWN = 12
MOST_COMPARED = 200


def circles(scene: Scene, opinions: Sequence[Opinion]) -> Json:
    """Of one source on one criterion; `within` is over the completions of a prompt, of whatever
    instances they came in."""
    return {
        "generators": _among_generators(scene, opinions),
        "within": _within_prompts(scene, opinions),
        "by_chance": BY_CHANCE,
    }


def _among_generators(scene: Scene, opinions: Sequence[Opinion]) -> Json:
    wins: dict[tuple[str, str], float] = defaultdict(float)
    for opinion in opinions:
        wrote = scene.things[opinion.instance].generators
        for (i, j), share in opinion.shares.items():
            if wrote[i] and wrote[j] and wrote[i] != wrote[j]:
                wins[wrote[i], wrote[j]] += share
                wins[wrote[j], wrote[i]] += 1 - share
    names = sorted({name for pair in wins for name in pair})[:MOST_COMPARED]
    place = {name: at for at, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    for (a, b), won in wins.items():
        if a in place and b in place:
            table[place[a], place[b]] = won
    found = islice(cycles(table), 2000)
    shown = sorted(found, key=lambda ring: -_clearest(table, ring))[:MOST_SHOWN]
    return _triads(count(table)) | {"cycles": [_ring(table, names, ring) for ring in shown]}


def _clearest(table: "np.typing.NDArray[np.float64]", ring: tuple[int, int, int]) -> float:
    """By how many labels the closest of the three is decided."""
    a, b, c = ring
    return min(float(table[x, y] - table[y, x]) for x, y in ((a, b), (b, c), (c, a)))


def _ring(
    table: "np.typing.NDArray[np.float64]", names: Sequence[str], ring: tuple[int, int, int]
) -> Json:
    a, b, c = ring
    edges = [[float(table[x, y]), float(table[y, x])] for x, y in ((a, b), (b, c), (c, a))]
    return {"names": [names[each] for each in ring], "edges": edges}


def _within_prompts(scene: Scene, opinions: Sequence[Opinion]) -> Json:
    edges: dict[str, dict[tuple[Hashable, Hashable], float]] = defaultdict(
        lambda: defaultdict(float)
    )
    instances: dict[str, dict[int, None]] = defaultdict(dict)
    for opinion in opinions:
        thing = scene.things[opinion.instance]
        instances[thing.prompt][thing.instance] = None
        for (i, j), share in opinion.shares.items():
            a, b = thing.texts[i], thing.texts[j]
            if a != b:
                low, sign = ((a, b), 1) if a < b else ((b, a), -1)
                edges[thing.prompt][low] += sign * (share - 0.5)
    triads: list[Triads] = []
    behind: list[int] = []
    for prompt, mine in edges.items():
        if len({node for pair in mine for node in pair}) > 40:
            continue
        found, rings = within(mine)
        triads.append(found)
        if rings:
            behind += instances[prompt]
    return _triads(total(triads)) | {"behind": listed(behind)}


def _triads(found: Triads) -> Json:
    return {
        "decided": found.decided,
        "cyclic": found.cyclic,
        "share": found.share,
        "many": found.many,
    }
