"""The messages of one question: the material between tags that nothing inside can close. Pure.

What is the same for many calls comes first, for the provider's prefix cache; the completions come
last, so that exchanged orders differ in the tail only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

from annotation.instances.content import Message, document_number, text_of

from .wording import Wording

TAGS = ("conversation", "completion", "document", "reference", "example", "guideline", "rubric")
_HIDDEN = "\\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff"
# One of our tags, opening or closing, however it is spaced or written.
OWN_TAG = re.compile(
    rf"[<\uff1c\ufe64\u2039](?=[{_HIDDEN}]*(?:[/\uff0f\u2044][{_HIDDEN}]*)?(?:{'|'.join(TAGS)}))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Material:
    """What is judged: texts by canonical position, and what stands before them."""

    conversation: Sequence[Message]
    texts: tuple[str, ...]
    documents: Sequence[Any] = ()
    reference: str = ""


@dataclass(frozen=True)
class Example:
    """Something judged by people, as shown before the question: its texts in the order shown."""

    material: Material
    verdict: str
    rationale: str = ""


def escaped(text: str) -> str:
    """The text with our own tags taken apart; everything else, code and HTML, stays as it is."""
    return OWN_TAG.sub("&lt;", text)


def words(content: Any, documents: Sequence[Any] = ()) -> str:
    """The words of a text or of parts; a citation is the number of its document."""
    if isinstance(content, Mapping) and content.get("type") == "citation":
        number = document_number(documents, content.get("document"))
        return f"[{number}]" if number else ""
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "\n\n".join(text for each in content if (text := words(each, documents)))
    return text_of(content)


def side(text: str, own: Sequence[Message] | None) -> str:
    """One side of a question: the completion, after the conversation that only it answers."""
    return f"{_conversation(own)}\n\n{escaped(text)}" if own else escaped(text)


def messages(
    wording: Wording, material: Material, order: Iterable[int], examples: Sequence[Example] = ()
) -> tuple[dict[str, str], ...]:
    """The chat messages of one question. The texts of the material are escaped already."""
    blocks = [
        *(_example(example, number) for number, example in enumerate(examples, 1)),
        *_before(material),
        *_completions([material.texts[position] for position in order]),
        wording.closing,
    ]
    return (
        {"role": "system", "content": wording.system},
        {"role": "user", "content": "\n\n".join(blocks)},
    )


def _example(example: Example, number: int) -> str:
    blocks = [*_before(example.material), *_completions(example.material.texts)]
    if example.rationale:
        blocks.append(f"Reasons: {escaped(example.rationale)}")
    inside = "\n\n".join(blocks)
    return f"<example_{number}>\n{inside}\n\nVerdict: {example.verdict}\n</example_{number}>"


def _before(material: Material) -> list[str]:
    blocks = [_conversation(material.conversation)]
    if material.documents:
        numbered = "\n\n".join(
            f"[{number}] {_document(each)}" for number, each in enumerate(material.documents, 1)
        )
        blocks.append(f"<documents>\n{numbered}\n</documents>")
    if material.reference:
        blocks.append(f"<reference>\n{escaped(material.reference)}\n</reference>")
    return blocks


def _document(document: Any) -> str:
    if isinstance(document, Mapping):
        head = [str(document[key]) for key in ("title", "url") if document.get(key)]
        return escaped("\n".join([*head, words(document)]))
    return escaped(words(document))


def _completions(texts: Sequence[str]) -> list[str]:
    return [
        f"<completion_{letter}>\n{text}\n</completion_{letter}>"
        for letter, text in zip(ascii_lowercase, texts, strict=False)
    ]


def _conversation(turns: Sequence[Message]) -> str:
    said = "\n\n".join(f"[{turn['role']}]\n{escaped(words(turn['content']))}" for turn in turns)
    return f"<conversation>\n{said}\n</conversation>"
