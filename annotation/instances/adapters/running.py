"""Recognising formats, and turning the rows of a file into instances."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from annotation.instances.lines import Line
from core.exceptions import InvalidInput

from .base import Adapter, Guess, Instance, Options, Row, Unfit
from .joining import Joined, gathered
from .registry import ADAPTERS

# Of a sample, this share must be of a format: real files have odd rows.
LEAST_SHARE = 0.6
MOST_ROWS = 50


def recognise(rows: Sequence[Row], name: str = "") -> list[Guess]:
    """The formats a sample may be of, the likeliest first; the first 50 rows are looked at.

    `name`, the file's, breaks a draw and never decides alone.
    """
    sample = [row for row in rows[:MOST_ROWS] if isinstance(row, Mapping)]
    found = [guess for adapter in ADAPTERS.values() if (guess := _guess(adapter, sample, name))]
    return sorted(found, key=lambda guess: -guess.confidence)


def _guess(adapter: Adapter, sample: Sequence[Row], name: str) -> Guess | None:
    fitting = sum(adapter.fits(row) for row in sample)
    if not fitting or fitting < LEAST_SHARE * len(sample):
        return None
    hinted = 0.005 * (adapter.name.replace("_", "") in _plain(name))
    confidence = adapter.confidence * fitting / len(sample)
    return Guess(adapter.name, round(min(1.0, confidence + hinted), 4), adapter.recognised_by)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def adapt(adapter: str, lines: Iterable[Line], options: Options) -> Iterator[Line]:
    """The lines of a file as lines of the interchange format; an error stays on its line.

    A row may give several instances, each under the row's number. Memory holds one row, or the
    consecutive rows of one instance where the format spreads it over several.

    Options for every adapter: `annotator` or `judge`, who labelled where the file does not say;
    `criteria`, the criteria of the file to take, as a list of keys or as {key of the file: key of
    the project} ("" is the overall preference).

    Raises:
        InvalidInput: there is no such adapter.
    """
    if adapter not in ADAPTERS:
        raise InvalidInput(f"There is no adapter {adapter!r}: {', '.join(ADAPTERS)}.")
    return _adapted(ADAPTERS[adapter], lines, options)


def _adapted(adapter: Adapter, lines: Iterable[Line], options: Options) -> Iterator[Line]:
    joined = Joined(adapter)
    for line in gathered(adapter, lines):
        if line.value is None:
            yield from joined.flush()
            yield line
            continue
        try:
            instances = list(adapter.instances(line.value, options))
        except Unfit as error:
            yield from joined.flush()
            yield Line(line.number, None, f"{adapter.title}: {error}")
            continue
        for each in instances:
            yield from joined.add(line.number, _chosen(each, options.get("criteria")))
    yield from joined.flush()


def _chosen(value: Instance, criteria: Any) -> Instance:
    """The instance with the labels of the chosen criteria alone, under the project's keys."""
    if isinstance(criteria, list):
        criteria = {key: key for key in criteria if isinstance(key, str)}
    if not isinstance(criteria, Mapping):
        return value
    kept = dict(value)
    for side in ("human", "ai"):
        if isinstance(value.get(side), list):
            kept[side] = [renamed for each in value[side] for renamed in _renamed(each, criteria)]
    return kept


def _renamed(label: Any, criteria: Mapping[str, Any]) -> list[Any]:
    if not isinstance(label, dict):
        return [label]
    key = label.get("criterion") or ""
    if not isinstance(key, str) or key not in criteria:
        return []
    rest = {field: value for field, value in label.items() if field != "criterion"}
    return [rest | ({"criterion": criteria[key]} if criteria[key] else {})]
