"""An instance with its labels, from which many shapes are made. Pure.

Gold and repeats measure people and are no data; a review that stands decides.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from annotation.datasets.labels import DATA
from annotation.datasets.ratings import deciding

from .base import Criteria, Row, Turns, texts


@dataclass(frozen=True)
class Labelled:
    """An instance as it is stored, and every label on it."""

    instance: Row
    labels: Sequence[Row]

    @cached_property
    def completions(self) -> list[dict[str, Any]]:
        return list(json.loads(self.instance["completions"]))

    @cached_property
    def metadata(self) -> dict[str, Any]:
        return dict(json.loads(self.instance["metadata"]))

    def prompt(self, completion: Row) -> Turns:
        """The turns before a completion, in words: its own in joint comparison."""
        return texts(completion["messages"] or json.loads(self.instance["messages"]))

    def shares_prompt(self) -> bool:
        """Whether all completions answer the same turns."""
        first, *others = (self.prompt(each) for each in self.completions)
        return all(other == first for other in others)

    def on(self, key: str) -> list[Row]:
        """The labels on a criterion that decide."""
        return deciding([row for row in self.labels if row["criterion"] == key and is_data(row)])

    def source(self, labels: Sequence[Row]) -> dict[str, Any]:
        names = ("instance_id", "prompt_hash", "split")
        simulated = any(label["simulated"] for label in labels)
        shared = {name: self.instance[name] for name in names}
        return shared | {"simulated": simulated, "snapshot": self.instance["snapshot"]}


def is_data(row: Row) -> bool:
    return row.get("purpose", "label") in DATA


def of_kind(criteria: Criteria, *kinds: str) -> list[Row]:
    """The criteria that ask this way."""
    return [criterion for criterion in criteria if criterion["asks"] in kinds]


def text_of_completion(completion: Row) -> str:
    """The text with the words of the parts beside it."""
    whole = [{"role": "", "content": [completion["text"], *completion["parts"]]}]
    return texts(whole)[0]["content"]
