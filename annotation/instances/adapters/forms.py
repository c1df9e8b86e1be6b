"""Exports of labelling tools: fields that people saw, and answers to questions about them.

The tools let everybody name fields and questions, so names and values decide what a field is:
options `prompt` and `completions` (field names) say it where the names do not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .base import Options, Row, Unfit
from .building import completion, said
from .values import Turn, is_conversation, is_number, is_whole, name, number, turns
from .words import BAD, TIES, thumb, winner

PROMPTS = ("prompt", "instruction", "question", "query", "conversation", "chat", "messages")
PROMPTS_TOO = ("input", "context", "text", "dialogue", "dialog", "topic")
COMPLETION = re.compile(
    r"(.*[-_ ])?(response|completion|answer|generation|output|chosen|rejected|reply|candidate"
    r"|summary|option|text|model|assistant)s?[-_ ]?(\d+|[a-z])?"
)
# Questions whose answer is the preference as a whole: the project's first criterion.
OVERALL = {
    *("overall", "preference", "overallpreference", "comparison", "pairwise", "ranking", "rank"),
    *("ranker", "winner", "better", "best", "choice", "choices", "label", "preferred", "verdict"),
}
# And those whose score is, where there is nothing to compare.
OVERALL_SCORE = OVERALL | {"rating", "score", "quality", "overallquality", "overallrating"}
# A criterion's key.
LONGEST = 40
REASONS = ("rationale", "reason", "comment", "explan", "feedback", "justif", "why")


@dataclass
class Shown:
    """What people saw: a prompt, and completions by the names of their fields."""

    prompt: str | list[Turn]
    names: list[str]
    completions: list[dict[str, Any]]
    rest: dict[str, Any] = field(default_factory=dict)

    def place(self, word: Any) -> int | None:
        """Which completion a word means; None where it means none of them."""
        key = plain(word) if isinstance(word, str) else ""
        known = [plain(each) for each in self.names]
        if key in known:
            return known.index(key)
        return winner(str(word), len(self.names)) if isinstance(word, str | int) else None


def plain(word: str) -> str:
    return "".join(filter(str.isalnum, word.lower()))


def shown(fields: Row, options: Options) -> Shown:
    """The fields as an instance.

    Raises:
        Unfit: no field is a prompt, or none is a completion.
    """
    asked = _prompt_field(fields, options)
    given = options.get("completions")
    columns = [each for each in fields if each != asked]
    if isinstance(given, list):
        columns = [each for each in given if isinstance(each, str)]
    names: list[str] = []
    completions: list[dict[str, Any]] = []
    used = {asked}
    for column in columns:
        named = COMPLETION.fullmatch(column.lower())
        if not named and not given and not _is_listed(fields.get(column)):
            continue
        found = _completions(column, fields.get(column))
        names += [each for each, _ in found]
        completions += [each for _, each in found]
        used |= {column} if found else set()
    if not completions:
        raise Unfit("no field is a completion: name them in the option completions")
    prompt = fields[asked]
    return Shown(
        prompt=turns(prompt, asked),
        names=names,
        completions=completions,
        rest={key: each for key, each in fields.items() if key not in used and each is not None},
    )


def _prompt_field(fields: Row, options: Options) -> str:
    given = options.get("prompt")
    wanted = [given] if isinstance(given, str) and given else [*PROMPTS, *PROMPTS_TOO]
    for each in wanted:
        for column, value in fields.items():
            if plain(column) == plain(each) and (isinstance(value, str) or is_conversation(value)):
                return column
    raise Unfit("no field is a prompt: name it in the option prompt")


def _is_listed(value: Any) -> bool:
    """Whether a field holds a list of objects, as a ranker shows them."""
    objects = isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
    return objects and not is_conversation(value)


def _completions(column: str, value: Any) -> list[tuple[str, dict[str, Any]]]:
    """A field's completions: its text, the last turn of its conversation, or those of its list."""
    if isinstance(value, str):
        return [(column, completion(value))]
    if is_conversation(value):
        return [(column, completion(turns(value, column)[-1]["content"]))]
    if not isinstance(value, list):
        return []
    found = []
    for place, each in enumerate(value):
        item = each if isinstance(each, Mapping) else {"text": each}
        text = next((item[key] for key in BODY if isinstance(item.get(key), str)), None)
        if text is None:
            return []
        called = name(item, "id") or f"{column}-{place + 1}"
        found.append((called, completion(text, name(item, "model"))))
    return found


BODY = ("text", "body", "content", "response", "html", "title")


@dataclass
class Answers:
    """What one annotator or judge answered on one instance."""

    seen: Shown
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    rationale: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)

    def add(self, question: str, value: Any) -> None:
        """Takes an answer as a label, a rationale, or else an attribute."""
        about, key = self._about(question)
        label = self._ranked(value) or self._compared(value)
        score = _score(value)
        if label is not None:
            self.labels.setdefault(key, {}).update(label)
        elif score is not None and about is not None:
            empty: list[float | None] = [None] * len(self.seen.names)
            self.labels.setdefault(key, {}).setdefault("scores", empty)[about] = score
        elif isinstance(value, str) and any(word in question.lower() for word in REASONS):
            self.rationale.append(value)
        elif value not in (None, "", [], {}):
            self.attributes[question] = value

    def _about(self, question: str) -> tuple[int | None, str]:
        """The completion that a question asks of, if only one, and its criterion."""
        if len(self.seen.names) == 1:
            return 0, _criterion(question, OVERALL_SCORE)
        asked = plain(question)
        for place, each in enumerate(self.seen.names):
            other = plain(each)
            if other and (asked.endswith(other) or asked.startswith(other)) and asked != other:
                return place, _criterion(asked.removesuffix(other).removeprefix(other), set())
        return None, _criterion(question, OVERALL)

    def _ranked(self, value: Any) -> dict[str, Any] | None:
        """A list of completions with ranks, or of all of them from the best to the worst."""
        if not isinstance(value, list) or len(value) != len(self.seen.names) or len(value) < 2:
            return None
        items = [each if isinstance(each, Mapping) else {"value": each} for each in value]
        places = [self.seen.place(each.get("value")) for each in items]
        ranks = [each.get("rank", order + 1) for order, each in enumerate(items)]
        if {*places} != {*range(len(value))} or not all(is_whole(each) for each in ranks):
            return None
        by_place = dict(zip(places, ranks, strict=True))
        return {"ranking": [max(1, by_place[place]) for place in range(len(value))]}

    def _compared(self, value: Any) -> dict[str, Any] | None:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        count = len(self.seen.names)
        if not isinstance(value, str) or count < 2:
            return None
        word = value.strip().lower()
        if word in TIES | BAD:
            return {"ranking": [1] * count} | ({"tie_kind": "both bad"} if word in BAD else {})
        place = self.seen.place(value)
        if place is None:
            return None
        return {"ranking": [1 if each == place else 2 for each in range(count)]}

    def signed(self, maker: str, who: str, extra: Row) -> list[dict[str, Any]]:
        """The labels in interchange form, each with the rationale and what was not a label."""
        rationale = "\n\n".join(self.rationale)
        return [
            {maker: who}
            | label
            | said(criterion=key, rationale=rationale, attributes=dict(self.attributes))
            | dict(extra)
            for key, label in self.labels.items()
        ]


def _criterion(question: str, overall: set[str]) -> str:
    """The key of a question's criterion; empty for the preference as a whole."""
    words = re.sub(r"[^a-z0-9]+", "_", question.lower()).strip("_")
    return "" if plain(question) in overall else words[:LONGEST]


def _score(value: Any) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if is_number(value):
        return number(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return thumb(value) if isinstance(value, str) else None


def answers_by(seen: Shown, given: Sequence[tuple[str, str, Any]]) -> dict[str, Answers]:
    """(who, question, value) of every answer, put together by who gave it."""
    found: dict[str, Answers] = {}
    for who, question, value in given:
        found.setdefault(who, Answers(seen)).add(question, value)
    return found
