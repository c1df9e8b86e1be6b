"""What an instance is made of, before it is a row: pure values and their hashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from core.hashing import canonical_json, content_hash

# Means of ranks, worths and probabilities nearer than this differ by rounding alone.
EVEN = 1e-9


# A turn: `role`, and `content`, which is a text or a list of parts.
Message = dict[str, Any]


def text_of(content: Any) -> str:
    """The words of a text, a part, a document or a list of them, for whoever cannot see more.

    An image, a sound and a film leave their description; a citation leaves nothing.
    """
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return _text_of_part(content)
    if isinstance(content, Sequence):
        return "\n\n".join(text for each in content if (text := text_of(each)))
    return "" if content is None else canonical_json(content)


def _text_of_part(part: Mapping[str, Any]) -> str:
    kind = part.get("type", "text")
    if kind == "citation":
        return ""
    if kind in {"image", "audio", "video"}:
        return f"[{kind}: {part.get('alt') or part.get('title') or 'without a description'}]"
    text = part.get("text")
    return text if isinstance(text, str) else canonical_json(dict(part))


def size_of(content: Any) -> int:
    """Bytes of a text, or of parts as JSON (none of an empty list)."""
    if isinstance(content, str):
        return len(content.encode())
    return len(canonical_json(content).encode()) if content else 0


def document_number(documents: Sequence[Any], document: Any) -> int:
    """The number (from 1) of the document that a citation names by its id or, from 0, its place.

    0 where the instance has no such document.
    """
    if isinstance(document, int) and not isinstance(document, bool):
        return document + 1 if 0 <= document < len(documents) else 0
    for number, each in enumerate(documents, 1):
        if isinstance(each, Mapping) and document is not None and each.get("id") == document:
            return number
    return 0


@dataclass(frozen=True)
class CompletionContent:
    """One completion as it came in."""

    text: str
    generator: str = ""
    licence: str = ""
    # What stands beside the text.
    parts: list[Any] = field(default_factory=list)
    # Its own prompt; None means the instance's.
    messages: list[Message] | None = None

    def identity(self) -> list[Any]:
        """As it was before there were parts, where there are none: hashes stay the same."""
        beside = [self.parts, self.messages] if self.parts or self.messages else []
        return [self.text, self.generator, *beside]

    def characters(self) -> int:
        return len(self.text) + size_of(self.parts) + size_of(self.messages)


@dataclass(frozen=True, slots=True)
class LabelContent:
    """One recorded label; its fields are those of the row.

    `ranking` has competition ranks by canonical position, `scores` a score or null by position;
    `criterion` is a key, blank for the project's first.
    """

    origin: str
    annotator: str
    ranking: list[int]
    shown_order: list[int] | None = None
    strength: float | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    rationale: str = ""
    simulated: bool = False
    # Counts the labels of one annotator on a criterion of the instance.
    ordinal: int = 0
    criterion: str = ""
    scores: list[Any] = field(default_factory=list)
    tie_kind: str = ""
    unranked: list[int] = field(default_factory=list)
    probability: float | None = None
    confidence: int | None = None
    reasons: list[str] = field(default_factory=list)
    seconds: float | None = None
    said_at: datetime | None = None
    purpose: str = "label"


@dataclass(frozen=True)
class InstanceContent:
    """One instance with its completions and the labels that came with it."""

    external_id: str
    messages: list[Message]
    completions: list[CompletionContent]
    labels: list[LabelContent] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    context: list[Any] = field(default_factory=list)
    # Characters of labels, metadata, tags and context as JSON.
    beside: int = 0

    def content_hash(self) -> str:
        """What is judged and by whom it was written; ids, metadata and labels do not count."""
        return self._hash(
            [self.messages, self.context, [each.identity() for each in self.completions]]
        )

    def prompt_hash(self) -> str:
        own = [each.messages for each in self.completions]
        return self._hash([self.messages, own] if any(own) else self.messages)

    def _hash(self, value: Any) -> str:
        """`content_hash`, by orjson where there are only texts: the two write numbers otherwise."""
        if not self._is_text():
            return content_hash(value)
        return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def _is_text(self) -> bool:
        plain = all(isinstance(turn["content"], str) for turn in self.messages)
        return plain and not (
            self.context or any(each.parts or each.messages for each in self.completions)
        )

    def characters(self) -> int:
        """About how much it holds: what bounds a batch."""
        return self.shared_characters() + sum(each.characters() for each in self.completions)

    def shared_characters(self) -> int:
        """What every pair of the instance holds again."""
        return self.beside + sum(size_of(message["content"]) for message in self.messages)


def competition_ranks(values: Sequence[float]) -> list[int]:
    """Competition ranks of values where lower is better: `[2, 1, 1]` gives `[3, 1, 1]`."""
    return [1 + sum(other < value - EVEN for other in values) for value in values]
