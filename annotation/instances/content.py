"""What an instance is made of, before it is a row: pure values and their hashes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.hashing import content_hash

# Means of ranks, worths and probabilities nearer than this differ by rounding alone.
EVEN = 1e-9


@dataclass(frozen=True)
class CompletionContent:
    """One completion as it came in."""

    text: str
    generator: str = ""
    licence: str = ""

    def identity(self) -> list[str]:
        return [self.text, self.generator]


@dataclass(frozen=True)
class LabelContent:
    """One recorded label; `ranking` has competition ranks by canonical position."""

    origin: str
    annotator: str
    ranking: list[int]
    shown_order: list[int] | None = None
    strength: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    rationale: str = ""
    simulated: bool = False
    # Counts the labels of one annotator on the instance.
    ordinal: int = 0


@dataclass(frozen=True)
class InstanceContent:
    """One instance with its completions and the labels that came with it."""

    external_id: str
    messages: list[dict[str, str]]
    completions: list[CompletionContent]
    labels: list[LabelContent] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    context: list[Any] = field(default_factory=list)
    # Characters of labels, metadata, tags and context as JSON.
    beside: int = 0

    def content_hash(self) -> str:
        """What is judged and by whom it was written; ids, metadata and labels do not count."""
        return content_hash(
            [self.messages, self.context, [each.identity() for each in self.completions]]
        )

    def prompt_hash(self) -> str:
        return content_hash(self.messages)

    def characters(self) -> int:
        """About how much it holds: what bounds a batch."""
        return self.shared_characters() + sum(len(each.text) for each in self.completions)

    def shared_characters(self) -> int:
        """What every pair of the instance holds again."""
        return self.beside + sum(len(message["content"]) for message in self.messages)


def competition_ranks(values: Sequence[float]) -> list[int]:
    """Competition ranks of values where lower is better: `[2, 1, 1]` gives `[3, 1, 1]`."""
    return [1 + sum(other < value - EVEN for other in values) for value in values]
