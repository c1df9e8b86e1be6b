"""Named objectives: each preset is one configuration of the core in `training.objectives.core`.

No module here imports torch, so pages and forms can list presets. A preset of reward models is
added to `REWARDS` in `training.objectives.rewards`, one of policies to a table beside this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.errors import RefusalError
from training.objectives.objective import Kind, Objective
from training.objectives.options import options_of, with_options
from training.objectives.presets.likelihood import LIKELIHOOD
from training.objectives.presets.lists import LISTS
from training.objectives.presets.reference_free import REFERENCE_FREE
from training.objectives.presets.referenced import REFERENCED
from training.objectives.presets.singles import SINGLES
from training.objectives.presets.strength import STRENGTH
from training.objectives.presets.tokens import TOKENS
from training.objectives.rewards import REWARDS

__all__ = ["PRESETS", "Objective", "catalogue", "names", "resolve"]

_ALL = (
    *REWARDS,
    *REFERENCED,
    *TOKENS,
    *REFERENCE_FREE,
    *STRENGTH,
    *SINGLES,
    *LISTS,
    *LIKELIHOOD,
)
PRESETS: Mapping[str, Objective] = {preset.name: preset for preset in _ALL}


def names(kind: Kind) -> list[str]:
    """Preset names of one kind, in the order of the documentation."""
    return [preset.name for preset in _ALL if preset.kind == kind]


def resolve(kind: Kind, name: str, options: Mapping[str, Any] | None = None) -> Objective:
    """The preset called `name` with `options` put over its defaults.

    Raises:
        RefusalError: unknown preset, an option that is unknown or changes nothing, or a value
            outside its range.
    """
    preset = PRESETS.get(name)
    if preset is None or preset.kind != kind:
        raise RefusalError(
            f"There is no {kind} preset called {name!r}.",
            f"Set `preset` to one of: {', '.join(names(kind))}.",
        )
    return with_options(preset, options or {})


def catalogue(kind: Kind) -> list[dict[str, Any]]:
    """What a form needs to know of every preset of one kind, as plain values.

    Each has name, about, group, paper, needs_reference, unpaired, listwise and `options`, each
    of these with name, about, kind, default, and low and high or choices.
    """
    return [_described(PRESETS[name]) for name in names(kind)]


def _described(preset: Objective) -> dict[str, Any]:
    return {
        "name": preset.name,
        "about": preset.about,
        "group": preset.group,
        "paper": preset.paper,
        "needs_reference": preset.needs_reference,
        "unpaired": preset.unpaired,
        "listwise": preset.listwise,
        "options": [
            {
                "name": option.name,
                "about": option.about,
                "kind": option.kind,
                "default": getattr(preset, option.name),
                "low": option.low,
                "high": option.high,
                "choices": option.choices,
            }
            for option in options_of(preset)
        ],
    }
