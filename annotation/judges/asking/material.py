"""From an instance to what a judge is shown of it, or why it cannot be shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.instances.models import Completion, Instance

from .layout import Material, side, words
from .wording import MOST_COMPLETIONS

MEDIA = frozenset({"image", "audio", "video"})


@dataclass(frozen=True)
class Refused:
    """An instance that judges of text cannot be asked about."""

    reason: str


def material_of(instance: Instance, *, use_reference: bool) -> Material | Refused:
    """What a judge is shown: texts with our tags taken apart. Completions are read from `instance`.

    The reference answer is `metadata["reference"]`: a text, or the canonical position of the
    completion that is right.
    """
    completions = list(instance.completions.all())
    if medium := next(media(instance, completions), ""):
        return Refused(f"the instance has a part of the kind {medium}, and this judge reads text")
    if not 1 <= len(completions) <= MOST_COMPLETIONS:
        return Refused(
            f"the instance has {len(completions)} completions: judges take 1 to {MOST_COMPLETIONS}"
        )
    texts = tuple(side(_text(each, instance.context), each.messages) for each in completions)
    return Material(
        instance.messages,
        texts,
        instance.context,
        _reference(instance, completions) if use_reference else "",
    )


def _text(completion: Completion, documents: Sequence[Any]) -> str:
    if not completion.parts:
        return completion.text
    return words([completion.text, *completion.parts], documents)


def _reference(instance: Instance, completions: Sequence[Completion]) -> str:
    marked = instance.metadata.get("reference")
    if isinstance(marked, int) and not isinstance(marked, bool):
        return completions[marked].text if 0 <= marked < len(completions) else ""
    return marked.strip() if isinstance(marked, str) else ""


def media(instance: Instance, completions: Sequence[Completion]) -> Iterator[str]:
    """Kinds of parts that are no text, wherever they stand."""
    turns = [*instance.messages, *(turn for each in completions for turn in each.messages or ())]
    contents = [turn.get("content") for turn in turns]
    contents += [each.parts for each in completions]
    for content in contents:
        for part in content if isinstance(content, list) else ():
            if isinstance(part, Mapping) and part.get("type") in MEDIA:
                yield str(part["type"])
