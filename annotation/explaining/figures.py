"""All figures of an explanation from a scene. Pure."""

from collections.abc import Callable
from typing import Any

from annotation.quality.figures import clean

from .components import components
from .conflicts import conflicts
from .cycling import circles
from .fitting import compare, explain
from .likeness import diversity
from .regression import Floats
from .sways import length_bias, position_bias
from .units import PEOPLE, Scene, scale_of, table_of

Json = dict[str, Any]
# Of the factors and the way they are fitted.
VERSION = 1
Step = Callable[[str], object]


def figures_of(scene: Scene, step: Step = lambda _note: None) -> Json:
    """Everything as plain JSON; `step(note)` is called after each source."""
    scale = scale_of(scene)
    criteria = [_criterion(scene, key, scale, step) for key in scene.criteria]
    used = {opinion.instance for opinion in scene.opinions}
    found: Json = clean(
        {
            "version": VERSION,
            "labels": len(scene.opinions),
            "labels_there": scene.labels,
            "instances": len(used),
            "prompts": len({scene.things[each].prompt for each in used}),
            "sources": scene.names,
            "criteria": [each for each in criteria if each["sources"]],
            "conflicts": conflicts(scene),
            "diversity": diversity(scene),
        }
    )
    return found


def _criterion(scene: Scene, key: str, scale: Floats, step: Step) -> Json:
    rows: Json = {}
    tables = {}
    for source in scene.sources(key):
        opinions = scene.of(key, source)
        table = tables[source] = table_of(scene, opinions, scale)
        if not len(table):
            continue
        rows[source] = explain(table) | {
            "length": length_bias(table, scale),
            "position": position_bias(table),
            "circles": circles(scene, opinions),
            "components": components(table),
        }
        step(scene.names.get(source, source))
    contrasts = {
        source: found
        for source, table in tables.items()
        if source.startswith("judge:")
        and PEOPLE in tables
        and (found := compare(tables[PEOPLE], table))
    }
    return {"key": key, "name": scene.criteria[key], "sources": rows, "contrasts": contrasts}
