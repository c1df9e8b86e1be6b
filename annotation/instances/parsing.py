"""From one line's value to instances, by the interchange format. Pure; no database.

| input                                      | outcome                                            |
|--------------------------------------------|----------------------------------------------------|
| no id, a blank or overlong id              | refused                                            |
| empty prompt (no turn with text)           | refused                                            |
| one completion                             | refused, unless the project rates single ones      |
| a turn's content, a completion's `parts`   | accepted by the rules of `parts`                   |
| no prompt, but one on every completion     | accepted: each side answers its own                |
| empty completion text                      | accepted: models do fail that way                  |
| identical completions                      | accepted                                           |
| completion up to `MAX_COMPLETION_BYTES`    | accepted (a megabyte fits); longer is refused      |
| a label that breaks a rule of              | refused, with all of the line: an instance is      |
| `label_parsing`                            | never half-written                                 |
| pairs of over `MAX_PAIRS_CHARACTERS`       | refused                                            |
| unknown keys                               | ignored, counted in the notes                      |
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

from annotation.projects.models import Kind
from annotation.tagging.importing import recognised
from core.exceptions import InvalidInput

from .content import (
    CompletionContent,
    InstanceContent,
    Message,
    size_of,
    text_of,
)
from .label_parsing import MAX_NAME_CHARACTERS, Questions, label_of_pair, read_labels
from .parts import Media, read_context, read_parts

# UTF-8 bytes of one completion, and of all turns of a prompt together.
MAX_COMPLETION_BYTES = 2 * 1024 * 1024
MAX_PROMPT_BYTES = 2 * 1024 * 1024
MAX_COMPLETIONS = 64
# All pairs of a line together: 64 long completions would make a gigabyte of them.
MAX_PAIRS_CHARACTERS = 32_000_000
# Leaves room for the `#12-34` of a pair below the 200 characters of the column.
MAX_ID_CHARACTERS = 190
ROLES = frozenset({"system", "user", "assistant"})

_KNOWN = {
    "": frozenset({"id", "prompt", "responses", "human", "ai", "meta", "tags", "context"}),
    "prompt[]": frozenset({"role", "content"}),
    "responses[]": frozenset({"text", "parts", "prompt", "model", "licence"}),
}
_BESIDE = ("human", "ai", "meta", "tags", "context")
Notes = Counter[str]


def parse_instances(
    value: Mapping[str, Any],
    kind: str,
    notes: Notes,
    media: Media | None = None,
    questions: Questions = None,
) -> list[InstanceContent]:
    """The instances of one line; unknown keys are counted in `notes`.

    `media` are the files that parts may name: name → (sha256, content type). `questions` are the
    project's criteria; None: labels may name any.

    In a pairwise project K > 2 completions become K(K − 1)/2 pairs named `<id>#<i>-<j>`, each with
    the labels restricted to its two completions.

    Raises:
        InvalidInput: the line breaks a rule of the table above.
    """
    _note_unknown("", value, notes)
    reader = _Reader(read_context(value.get("context")), media or {}, notes)
    completions = _completions(value.get("responses"), kind, reader)
    whole = InstanceContent(
        external_id=_external_id(value.get("id")),
        messages=_prompt(value.get("prompt"), completions, reader),
        completions=completions,
        labels=read_labels(value, len(completions), questions, notes),
        metadata=(metadata := _typed(value.get("meta"), dict, "meta")),
        tags=recognised(metadata, _tags(value.get("tags"))),
        context=reader.documents,
        beside=sum(size_of(value.get(key)) for key in _BESIDE),
    )
    if kind != Kind.PAIRWISE or len(completions) == 2:
        return [whole]
    _pairs_fit(whole)
    return [_pair(whole, pair) for pair in combinations(range(len(completions)), 2)]


def _pairs_fit(whole: InstanceContent) -> None:
    count = len(whole.completions)
    texts = (count - 1) * sum(each.characters() for each in whole.completions)
    if texts + comb(count, 2) * whole.shared_characters() > MAX_PAIRS_CHARACTERS:
        raise InvalidInput(
            f"its {comb(count, 2)} pairs would hold more than {MAX_PAIRS_CHARACTERS:,} characters: "
            "give fewer or shorter completions"
        )


def _note_unknown(place: str, value: Mapping[str, Any], notes: Notes) -> None:
    for key in sorted(value.keys() - _KNOWN[place]):
        notes[f"unknown key {place + '.' if place else ''}{key[:60]} ignored"] += 1


def _external_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput("the instance has no id: give it a text that is its own")
    if len(value) > MAX_ID_CHARACTERS:
        raise InvalidInput(f"the id is longer than {MAX_ID_CHARACTERS} characters")
    return value


@dataclass(frozen=True)
class _Reader:
    """What the parts of one line may refer to, and where unknown keys are counted."""

    documents: list[Any]
    media: Media
    notes: Notes


def _prompt(
    prompt: Any, completions: Sequence[CompletionContent], reader: _Reader
) -> list[Message]:
    """The shared prompt; none where every completion brings its own."""
    if prompt is None and all(each.messages for each in completions):
        return []
    return _messages(prompt, "the prompt", reader)


def _messages(prompt: Any, what: str, reader: _Reader) -> list[Message]:
    turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    if not isinstance(turns, list):
        raise InvalidInput(f"{what} must be a text or a list of turns")
    messages = [_turn(turn, what, reader) for turn in turns]
    if not any(_says_something(message["content"]) for message in messages):
        raise InvalidInput(f"{what} is empty")
    if sum(size_of(message["content"]) for message in messages) > MAX_PROMPT_BYTES:
        raise InvalidInput(f"{what} is larger than {MAX_PROMPT_BYTES // 2**20} MiB")
    return messages


def _says_something(content: Any) -> bool:
    return bool(text_of(content).strip())


def _turn(turn: Any, what: str, reader: _Reader) -> Message:
    if not isinstance(turn, dict) or turn.get("role") not in ROLES:
        raise InvalidInput(f"every turn of {what} needs a role of {', '.join(sorted(ROLES))}")
    content = turn.get("content")
    if isinstance(content, list):
        content = read_parts(content, what, reader.documents, reader.media)
    elif not isinstance(content, str):
        raise InvalidInput(f"every turn of {what} needs a content that is text or a list of parts")
    _note_unknown("prompt[]", turn, reader.notes)
    return {"role": turn["role"], "content": content}


def _completions(value: Any, kind: str, reader: _Reader) -> list[CompletionContent]:
    if not isinstance(value, list):
        raise InvalidInput("responses must be a list")
    fewest = 2 if kind in {Kind.PAIRWISE, Kind.LISTWISE} else 1
    if not fewest <= len(value) <= MAX_COMPLETIONS:
        raise InvalidInput(
            f"{len(value)} completions: a {kind} project takes {fewest} to {MAX_COMPLETIONS}"
        )
    return [_completion(each, position, reader) for position, each in enumerate(value)]


def _completion(value: Any, position: int, reader: _Reader) -> CompletionContent:
    what = f"completion {position}"
    given = value.get("parts") if isinstance(value, dict) else None
    parts = [] if given is None else read_parts(given, what, reader.documents, reader.media)
    text = value.get("text", "" if parts else None) if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InvalidInput(f"{what}: needs a text (an empty one is allowed) or parts")
    if len(text.encode()) + size_of(parts) > MAX_COMPLETION_BYTES:
        raise InvalidInput(f"{what} is larger than {MAX_COMPLETION_BYTES // 2**20} MiB")
    _note_unknown("responses[]", value, reader.notes)
    own = value.get("prompt")
    return CompletionContent(
        text=text,
        generator=_name(value.get("model"), f"{what}: model"),
        licence=_name(value.get("licence"), f"{what}: licence", 60),
        parts=parts,
        messages=None if own is None else _messages(own, f"the prompt of {what}", reader),
    )


def _name(value: Any, what: str, longest: int = MAX_NAME_CHARACTERS) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > longest:
        raise InvalidInput(f"{what} must be a text of at most {longest} characters")
    return value


def _typed(value: Any, expected: type, what: str) -> Any:
    """`value`, or an empty one of its type where the key is missing or null."""
    if value is None:
        return expected()
    if not isinstance(value, expected):
        raise InvalidInput(f"{what} must be a JSON {'object' if expected is dict else 'list'}")
    return value


def _tags(value: Any) -> list[str]:
    tags = _typed(value, list, "tags")
    return sorted({_name(tag, "a tag", 80) for tag in tags} - {""})


def _pair(whole: InstanceContent, pair: tuple[int, int]) -> InstanceContent:
    return InstanceContent(
        external_id=f"{whole.external_id}#{pair[0]}-{pair[1]}",
        messages=whole.messages,
        completions=[whole.completions[position] for position in pair],
        labels=[
            found for label in whole.labels if (found := label_of_pair(label, pair)) is not None
        ],
        metadata=whole.metadata | {"source_id": whole.external_id, "source_pair": list(pair)},
        tags=whole.tags,
        context=whole.context,
        beside=whole.beside,
    )
