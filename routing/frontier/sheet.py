"""What the frontier is drawn from: the open instances in the order they are bought, as numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np

from routing.features.table import Ints

from .curve import Groups, Line

# Accuracy of a reward model trained on the mix, or of the labels of the mix: never both.
MODEL, LABELS = "model", "labels"


@dataclass(frozen=True, eq=False)
class Sheet:
    """Scored once for one router; n instances, the audit arm first, then the best for the money.

    `money` and `labels` (n,) are millionths of the currency and whole labels that people's answer
    to each costs; `groups` says by tag which have which word. `lines` holds the router's own
    first, then the baselines. `facts` are plain values: what was scored, by what, and when.
    """

    kind: str
    audit: int
    money: Ints
    labels: Ints
    lines: tuple[Line, ...]
    groups: Mapping[str, Groups] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.money)

    @property
    def ours(self) -> Line:
        return self.lines[0]


def save(sheet: Sheet, path: Path) -> None:
    """Write it beside, then rename: a reader sees the old sheet or the new one, never half."""
    arrays: dict[str, Any] = {"money": sheet.money, "labels": sheet.labels}
    for place, line in enumerate(sheet.lines):
        for name in ("at", "value", "low", "high"):
            if (values := getattr(line, name)) is not None:
                arrays[f"line{place}_{name}"] = values
    for name, group in sheet.groups.items():
        arrays[f"group_{name}"] = np.stack([group.places, group.codes])
    about = {
        "kind": sheet.kind,
        "audit": sheet.audit,
        "lines": [line.key for line in sheet.lines],
        "groups": {name: list(group.words) for name, group in sheet.groups.items()},
        "facts": dict(sheet.facts),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)
    Path(file.name).replace(path)


def load(path: Path) -> Sheet:
    """Raises OSError where there is none."""
    with np.load(path, allow_pickle=False) as stored:
        about = json.loads(str(stored["about"]))
        parts: Sequence[str] = stored.files

        def line(place: int, key: str) -> Line:
            given = {
                name: stored[f"line{place}_{name}"]
                for name in ("at", "value", "low", "high")
                if f"line{place}_{name}" in parts
            }
            return Line(key, **given)

        return Sheet(
            about["kind"],
            about["audit"],
            stored["money"],
            stored["labels"],
            tuple(line(place, key) for place, key in enumerate(about["lines"])),
            {
                name: Groups(tuple(words), *stored[f"group_{name}"])
                for name, words in about["groups"].items()
            },
            about["facts"],
        )
