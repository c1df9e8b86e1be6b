"""Rows that belong together, where a format spreads one instance over consecutive ones."""

from collections.abc import Hashable, Iterable, Iterator
from itertools import chain
from typing import Any

from annotation.instances.lines import Line

from .base import Adapter, Instance
from .building import id_of_content

# One instance never takes more memory than this, however many rows claim to be of it.
MOST_COMPLETIONS = 64
MOST_LABELS = 5_000
MOST_ROWS = 5_000
# Label fields with a value per completion.
PER_COMPLETION = ("scores", "ranking", "rationales")


def gathered(adapter: Adapter, lines: Iterable[Line]) -> Iterator[Line]:
    """The lines of a file, those that belong together as one with the number of the first."""
    if adapter.gathers is None:
        yield from lines
        return
    held: list[Line] = []
    key: Hashable = None
    for line in lines:
        mine = None if line.value is None else adapter.gathers(line.value)
        if held and (mine is None or mine != key or len(held) >= MOST_ROWS):
            yield Line(held[0].number, {"rows": [each.value for each in held]})
            held = []
        if line.value is None:
            yield line
        else:
            held.append(line)
        key = mine
    if held:
        yield Line(held[0].number, {"rows": [each.value for each in held]})


class Joined:
    """Collects the instances of consecutive rows that have one key."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.number, self.key, self.whole = 0, None, None

    number: int
    key: Hashable
    whole: Instance | None

    def add(self, number: int, part: Instance) -> Iterator[Line]:
        """The line before this one, where it belongs to another instance."""
        key = self.adapter.joins(part) if self.adapter.joins else None
        if key is not None and key == self.key and self.whole and merge(self.whole, part):
            return
        yield from self.flush()
        self.number, self.key, self.whole = number, key, part

    def flush(self) -> Iterator[Line]:
        """What has been collected."""
        if self.whole is not None:
            yield Line(self.number, self._named(self.whole))
        self.key = self.whole = None

    def _named(self, whole: Instance) -> Instance:
        if not self.adapter.names or whole.get("id"):
            return whole
        return {"id": id_of_content(self.adapter.name, whole)} | whole


def merge(whole: Instance, part: Instance) -> bool:
    """Adds the completions and labels of `part` to `whole`; False where they cannot be one."""
    responses = list(whole["responses"])
    for response in part["responses"]:
        if response not in responses:
            responses.append(response)
    grown = len(responses) > len(whole["responses"])
    if len(responses) > MOST_COMPLETIONS or _labels(whole) + _labels(part) > MOST_LABELS:
        return False
    if (grown and _ranks(whole)) or (_ranks(part) and len(part["responses"]) < len(responses)):
        return False
    places = [responses.index(response) for response in part["responses"]]
    if grown:
        _spread(whole, list(range(len(whole["responses"]))), len(responses))
    whole["responses"] = responses
    _spread(part, places, len(responses))
    for side in ("human", "ai"):
        for label in part.get(side, []):
            _add(whole.setdefault(side, []), label)
    if meta := {**part.get("meta", {}), **whole.get("meta", {})}:
        whole["meta"] = meta
    return True


def _labels(value: Instance) -> int:
    return len(value.get("human", [])) + len(value.get("ai", []))


def _ranks(value: Instance) -> bool:
    return any("ranking" in label for label in chain(value.get("human", []), value.get("ai", [])))


def _spread(value: Instance, places: list[int], count: int) -> None:
    """Lists with a value per completion, for all completions of the whole."""
    for label in chain(value.get("human", []), value.get("ai", [])):
        for field in PER_COMPLETION:
            if field in label:
                wide: list[Any] = [None] * count
                for place, given in zip(places, label[field], strict=True):
                    wide[place] = given
                label[field] = wide
        if "order" in label:
            label["order"] = [places[position] for position in label["order"]]


def _add(labels: list[dict[str, Any]], label: dict[str, Any]) -> None:
    """Scores that one annotator gave on several rows are one label."""
    for known in labels:
        if _same(known, label) and all(
            one is None or other is None
            for one, other in zip(known["scores"], label["scores"], strict=True)
        ):
            pairs = zip(known["scores"], label["scores"], strict=True)
            known["scores"] = [other if one is None else one for one, other in pairs]
            return
    labels.append(label)


def _same(known: dict[str, Any], label: dict[str, Any]) -> bool:
    without = ({**each, "scores": None} for each in (known, label))
    return "scores" in known and "scores" in label and next(without) == next(without)
