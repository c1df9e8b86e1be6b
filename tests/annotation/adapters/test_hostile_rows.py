"""Whatever a row holds, an adapter gives lines: instances, or what is wrong."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.instances.adapters import ADAPTERS, adapt, recognise
from annotation.instances.lines import Line

from .exported_rows import EXPORTED
from .rows import EXAMPLES, Rows

SETTINGS = settings(max_examples=150, deadline=None)
ALL = [*EXAMPLES, *(("tandem", rows) for rows in EXPORTED.values())]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _names(each)


# Every key that some format has, so that rows get far into every adapter.
KEYS = sorted({name for _, rows in ALL for name in _names(rows)})
WORDS = ["", "tie", "A>B", "A-is-better", "[", '["a"]', "\n\nHuman: a\n\nAssistant: b", "1", "nan"]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-4, 4)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
ROWS = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), VALUES, max_size=8)
OPTIONS = st.dictionaries(
    st.sampled_from(["prompt", "completions", "chosen", "rejected", "winner", "rating", "label"])
    | st.sampled_from(["judge", "annotator", "criteria", "id", "tags", "metadata", "ranking"])
    | st.sampled_from(["system", "models", "questions", "criterion", "rationale", "counted_from"]),
    VALUES | st.sampled_from(KEYS) | st.lists(st.sampled_from(KEYS), max_size=3),
    max_size=8,
)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, Rows]:
    """Rows of a format of which something was exchanged or taken out."""
    name, rows = draw(st.sampled_from(ALL))
    rows = json.loads(json.dumps(rows))
    for _ in range(draw(st.integers(1, 4))):
        _spoil(draw, draw(st.sampled_from(rows)))
    return name, rows


def _spoil(draw: st.DrawFn, value: Any) -> None:
    """Exchanges or deletes something, somewhere inside."""
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = draw(st.sampled_from(places))
    if isinstance(value[place], dict | list) and value[place] and draw(st.booleans()):
        _spoil(draw, value[place])
    elif isinstance(value, dict) and draw(st.booleans()):
        del value[place]
    else:
        value[place] = draw(VALUES)


def _lines(rows: Rows) -> list[Line]:
    return [Line(number, row) for number, row in enumerate(rows, 1)]


def _sound(adapter: str, rows: Rows, options: dict[str, Any]) -> None:
    for line in adapt(adapter, _lines(rows), options):
        assert 1 <= line.number <= len(rows)
        assert (line.value is None) != (line.error is None)
        if line.value is not None:
            json.dumps(line.value)


@SETTINGS
@given(st.sampled_from(list(ADAPTERS)), st.lists(ROWS, max_size=3), OPTIONS)
def test_any_row_gives_lines(adapter: str, rows: Rows, options: dict[str, Any]) -> None:
    _sound(adapter, rows, options)


@SETTINGS
@given(spoilt(), OPTIONS)
def test_a_spoilt_row_gives_lines(case: tuple[str, Rows], options: dict[str, Any]) -> None:
    adapter, rows = case
    _sound(adapter, rows, {})
    _sound(adapter, rows, options)


@SETTINGS
@given(st.lists(ROWS, max_size=5) | spoilt().map(lambda case: case[1]))
def test_any_rows_can_be_looked_at(rows: Rows) -> None:
    for guess in recognise(rows, "file.jsonl"):
        assert guess.adapter in ADAPTERS
        assert 0 < guess.confidence <= 1


def test_a_line_that_could_not_be_read_keeps_its_number_and_reason() -> None:
    bad = Line(2, None, "malformed JSON")
    good = {"prompt": "a", "completion": "b", "label": True}
    lines = list(adapt("trl", [Line(1, good), bad, Line(3, good)], {}))
    assert [line.number for line in lines] == [1, 2, 3]
    assert lines[1] == bad
