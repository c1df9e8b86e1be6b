"""LLMBar (2310.07641): which of two outputs follows the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.errors import RefusalError
from training.fit.benchmarks.entries import Entry, field, records_of, turns

NATURAL = "Natural"
ADVERSARIAL = ("Neighbor", "GPTInst", "GPTOut", "Manual")
LABELS = {1: ("output_1", "output_2"), 2: ("output_2", "output_1")}


def read(path: Path) -> list[Entry]:
    """Entries of a `dataset.json`, or of all of them below a folder such as `Dataset/LLMBar`.

    A file has `input`, `output_1`, `output_2` and `label` (1 or 2). Its subset is its folder's
    name, or what its entries name as `subset`.
    """
    files = sorted(path.rglob("dataset.json")) if path.is_dir() else [path]
    if not files:
        raise RefusalError(f"{path.name} has no dataset.json below it.", "Name the folder LLMBar.")
    return [_entry(record, file) for file in files for record in records_of(file)]


def _entry(record: dict[str, Any], file: Path) -> Entry:
    label = field(record, "label", file.name)
    if label not in LABELS:
        raise RefusalError(f"{file.name} has the label {label!r}.", "It must be 1 or 2.")
    return Entry(
        subset=str(record.get("subset") or file.parent.name),
        messages=turns(field(record, "input", file.name)),
        completions=tuple(str(field(record, side, file.name)) for side in LABELS[label]),
    )


def score(entries: Sequence[Entry], rewards: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Accuracy by subset, the mean of the four adversarial ones, and the mean of all subsets.

    Equal rewards count one half: the benchmark's evaluators are asked in both orders, and one
    that follows the order is right in one of them.
    """
    correct: dict[str, list[float]] = {}
    for entry, (right, wrong) in zip(entries, rewards, strict=True):
        value = 1.0 if right > wrong else 0.5 if right == wrong else 0.0
        correct.setdefault(entry.subset, []).append(value)
    subsets = {name: sum(found) / len(found) for name, found in correct.items()}
    adversarial = [subsets[name] for name in ADVERSARIAL if name in subsets]
    return {
        "score": sum(subsets.values()) / len(subsets),
        "sections": {"Adversarial": sum(adversarial) / len(adversarial)} if adversarial else {},
        "subsets": subsets,
        "prompts": {name: len(found) for name, found in correct.items()},
        "missing": [name for name in (NATURAL, *ADVERSARIAL) if name not in subsets],
    }
