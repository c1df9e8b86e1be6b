"""What may be asked of a served reward model: checked before a worker sees it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.exceptions import InvalidInput

from .exceptions import TooLarge

MOST_ITEMS = 1000
MOST_COMPLETIONS = 64
MOST_CHARACTERS = 200_000
MOST_TOGETHER = 8_000_000
ROLES = ("system", "user", "assistant", "tool")
Message = dict[str, str]


@dataclass(frozen=True)
class Item:
    """A prompt (empty: none) and the completions whose rewards are asked."""

    messages: tuple[Message, ...]
    completions: tuple[str, ...]

    @property
    def characters(self) -> int:
        return sum(len(each["content"]) for each in self.messages) + sum(map(len, self.completions))


@dataclass(frozen=True)
class Request:
    """All that one call asks; `annotator` is a pseudonym, "" the model's own reward."""

    items: tuple[Item, ...]
    annotator: str = ""


def request_of(body: Any, *, fewest: int = 1) -> Request:
    """The request in a JSON body: `items`, or one item's own fields, and `annotator`.

    Args:
        fewest: completions of an item; ranking needs two.

    Raises:
        InvalidInput: a field is missing or of the wrong type; names it.
        TooLarge: there are too many items or completions, or a text is too long.
    """
    if not isinstance(body, Mapping):
        raise InvalidInput("The body must be a JSON object.")
    annotator = body.get("annotator") or ""
    if not isinstance(annotator, str):
        raise InvalidInput("annotator: must be a pseudonym.")
    given = body.get("items", [body] if "completions" in body else None)
    if not isinstance(given, list) or not given:
        raise InvalidInput("items: a list with at least one item is needed.")
    if len(given) > MOST_ITEMS:
        raise TooLarge(f"items: {len(given)} are too many: send at most {MOST_ITEMS} at once.")
    items = tuple(_item(each, f"items[{k}]", fewest) for k, each in enumerate(given))
    if sum(item.characters for item in items) > MOST_TOGETHER:
        raise TooLarge(f"All texts together have more than {MOST_TOGETHER} characters.")
    return Request(items, annotator)


def _item(value: Any, where: str, fewest: int) -> Item:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where}: must be an object with completions.")
    completions = value.get("completions")
    if not isinstance(completions, list) or len(completions) < fewest:
        raise InvalidInput(f"{where}.completions: a list of at least {fewest} texts is needed.")
    if len(completions) > MOST_COMPLETIONS:
        raise TooLarge(f"{where}.completions: at most {MOST_COMPLETIONS} are possible.")
    if not all(isinstance(text, str) for text in completions):
        raise InvalidInput(f"{where}.completions: each must be a text.")
    item = Item(_messages(value, where), tuple(map(_clean, completions)))
    if item.characters > MOST_CHARACTERS:
        raise TooLarge(f"{where}: its texts have more than {MOST_CHARACTERS} characters.")
    return item


def _messages(value: Mapping[str, Any], where: str) -> tuple[Message, ...]:
    prompt, messages = value.get("prompt"), value.get("messages")
    if (prompt is None) == (messages is None):
        raise InvalidInput(f"{where}: give either prompt or messages.")
    if prompt is not None:
        if not isinstance(prompt, str):
            raise InvalidInput(f"{where}.prompt: must be a text.")
        return ({"role": "user", "content": _clean(prompt)},)
    if not isinstance(messages, list) or not messages:
        raise InvalidInput(f"{where}.messages: a list of turns is needed.")
    return tuple(_turn(turn, f"{where}.messages[{k}]") for k, turn in enumerate(messages))


def _turn(turn: Any, where: str) -> Message:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
        raise InvalidInput(f"{where}: needs role and content.")
    if turn.get("role") not in ROLES:
        raise InvalidInput(f"{where}.role: must be one of {', '.join(ROLES)}.")
    return {"role": str(turn["role"]), "content": _clean(turn["content"])}


def _clean(text: str) -> str:
    """Without what no import keeps either: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
