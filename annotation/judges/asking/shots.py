"""How an example is shown: in the shape of the question, cut to a bearable length."""

from collections.abc import Mapping
from dataclasses import replace
from string import ascii_uppercase

from annotation.judges.examples import Shot
from annotation.judges.models import Shape
from core.hashing import unit_interval

from . import orders
from .layout import Example, Material, words
from .material import Refused, material_of
from .setup import Setup

MOST_CHARACTERS = 1500
CUT = " […]"


def example_of(shot: Shot, setup: Setup, shape: Shape) -> Example | None:
    """The example as it is shown, the same to everybody; None where it does not fit the question.

    Its order is drawn by a hash, so that no letter is the answer more often than another.
    """
    material = material_of(shot.instance, use_reference=setup.use_reference)
    if isinstance(material, Refused):
        return None
    shown = {
        Shape.PAIR: _pair,
        Shape.RANKING: _ranking,
        Shape.SCORES: _score,
    }[shape](shot, setup, material)
    if shown is None:
        return None
    order, verdict = shown
    return Example(
        material=replace(
            material,
            conversation=[
                {"role": turn["role"], "content": _cut(words(turn["content"]))}
                for turn in material.conversation
            ],
            texts=tuple(_cut(material.texts[position]) for position in order),
            documents=(),
            reference=_cut(material.reference),
        ),
        verdict=verdict if setup.token else f"[[{verdict}]]",
        rationale="" if setup.token else _cut(shot.rationale),
    )


Shown = tuple[orders.Order, str] | None


def _pair(shot: Shot, setup: Setup, material: Material) -> Shown:
    """Of a list, the best against the worst."""
    ranks = shot.ranking
    if len(ranks) != len(material.texts) or len(ranks) < 2:
        return None
    best, worst = ranks.index(min(ranks)), len(ranks) - 1 - ranks[::-1].index(max(ranks))
    if ranks[best] == ranks[worst]:
        return ((0, 1), "C") if setup.ask.ties else None
    first = unit_interval("example", shot.instance.prompt_hash, shot.instance.pk) < 0.5
    return ((best, worst), "A") if first else ((worst, best), "B")


def _ranking(shot: Shot, setup: Setup, material: Material) -> Shown:
    ranks, size = shot.ranking, len(material.texts)
    if len(ranks) != size or size < 2 or (len(set(ranks)) < size and not setup.ask.ties):
        return None
    drawn = orders.rankings(material.texts, size, salt=shot.instance.prompt_hash)
    order = drawn[shot.instance.pk % size]
    groups: Mapping[int, list[str]] = {rank: [] for rank in sorted(set(ranks))}
    for letter, position in zip(ascii_uppercase, order, strict=False):
        groups[ranks[position]].append(letter)
    return order, " > ".join(" = ".join(letters) for letters in groups.values())


def _score(shot: Shot, setup: Setup, material: Material) -> Shown:
    if len(shot.scores) != len(material.texts):
        return None
    drawn = unit_interval("example", shot.instance.prompt_hash, shot.instance.pk)
    position = int(drawn * len(shot.scores))
    code = next((e.code for e in setup.ask.levels if e.value == shot.scores[position]), None)
    return None if code is None else ((position,), code)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + CUT
