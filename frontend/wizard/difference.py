"""What changed between two versions of a guideline: words, and settings by name. Pure."""

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

WORDS = re.compile(r"\s+|\w+|[^\w\s]")


def words(before: str, after: str) -> list[tuple[str, str]]:
    """Pieces of text, each `same`, `out` (of the old one only) or `in` (of the new one only)."""
    old, new = WORDS.findall(before), WORDS.findall(after)
    pieces = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(("same", "".join(old[a:b])))
            continue
        pieces += [("out", "".join(old[a:b]))] if b > a else []
        pieces += [("in", "".join(new[c:d]))] if d > c else []
    return pieces


def settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(name, before, after) of the settings that differ, criteria by their keys."""
    old, new = _flat(before), _flat(after)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return [(name, _shown(old.get(name)), _shown(new.get(name))) for name in names]


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: value for name, value in values.items() if name != "criteria"}
    for criterion in values.get("criteria", []):
        for name, value in criterion.items():
            if name != "key":
                flat[f"{criterion['key']}: {name}"] = value
    return {name.replace("_", " "): value for name, value in flat.items()}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {each}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(each) for each in value) or "–"
    if isinstance(value, bool):
        return "✓" if value else "–"
    return "–" if value in (None, "") else str(value)
