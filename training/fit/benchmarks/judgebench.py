"""JudgeBench (2410.12784): pairs of which one is objectively right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.errors import RefusalError
from training.fit.benchmarks.entries import Entry, field, records_of, turns

# The leaderboard's categories by where a question is from.
CATEGORIES = {
    "mmlu-pro": "Knowledge",
    "livebench-reasoning": "Reasoning",
    "livebench-math": "Math",
    "livecodebench": "Coding",
}
LABELS = {"A>B": ("response_A", "response_B"), "B>A": ("response_B", "response_A")}


def read(path: Path) -> list[Entry]:
    """Entries: `question`, `response_A`, `response_B`, `label` ("A>B" or "B>A"), `source`."""
    return [_entry(record, path.name) for record in records_of(path)]


def _entry(record: dict[str, Any], file: str) -> Entry:
    label = field(record, "label", file)
    if label not in LABELS:
        raise RefusalError(f"{file} has the label {label!r}.", "It must be A>B or B>A.")
    return Entry(
        subset=category(str(field(record, "source", file))),
        messages=turns(field(record, "question", file)),
        completions=tuple(str(field(record, side, file)) for side in LABELS[label]),
        name=str(record.get("pair_id", "")),
    )


def category(source: str) -> str:
    """The category of a source such as "mmlu-pro-law"; the source itself where it has none."""
    return next((c for start, c in CATEGORIES.items() if source.startswith(start)), source)


def score(entries: Sequence[Entry], rewards: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Accuracy by category and over all pairs. A reward model sees no order: one game a pair.

    Equal rewards decide nothing and are wrong.
    """
    correct: dict[str, list[bool]] = {}
    for entry, (right, wrong) in zip(entries, rewards, strict=True):
        correct.setdefault(entry.subset, []).append(right > wrong)
    every = [right for found in correct.values() for right in found]
    return {
        "score": sum(every) / len(every),
        "subsets": {name: sum(found) / len(found) for name, found in correct.items()},
        "prompts": {name: len(found) for name, found in correct.items()},
        "missing": [name for name in CATEGORIES.values() if name not in correct],
    }
