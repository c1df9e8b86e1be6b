"""A format is known by its columns and what is in them, not by the file's name."""

import json
from collections import Counter

import pytest

from annotation.instances.adapters import ADAPTERS, recognise
from annotation.instances.label_parsing import Question
from annotation.instances.parsing import parse_instances

from .exported_rows import EXPORTED
from .reading import read
from .rows import EXAMPLES, HH, TRL, Rows


@pytest.mark.parametrize(("adapter", "rows"), EXAMPLES)
def test_examples_are_recognised(adapter: str, rows: Rows) -> None:
    best, *others = recognise(rows)
    assert best.adapter == adapter
    assert all(guess.confidence < best.confidence for guess in others)
    assert others[-1].adapter == "columns"


@pytest.mark.parametrize("shape", EXPORTED)
def test_our_exports_are_recognised(shape: str) -> None:
    assert recognise(EXPORTED[shape])[0].adapter == "tandem"


def test_every_adapter_has_an_example() -> None:
    assert {name for name, _ in EXAMPLES} | {"tandem", "columns"} == set(ADAPTERS)


@pytest.mark.parametrize(("adapter", "rows"), EXAMPLES)
def test_examples_make_instances_that_an_import_takes(adapter: str, rows: Rows) -> None:
    for value in read(adapter, rows):
        # Rows with a single completion are for projects that rate.
        kind = "rating" if len(value["responses"]) == 1 else "listwise"
        labels = [*value.get("human", []), *value.get("ai", [])]
        asked = {"overall": Question(kind, range(11))} | {
            label["criterion"]: Question("rating" if "scores" in label else "pairwise", range(11))
            for label in labels
            if "criterion" in label
        }
        notes: Counter[str] = Counter()
        (made,) = parse_instances(value, kind, notes, questions=asked)
        assert len(made.labels) == len(labels)
        assert not notes


@pytest.mark.parametrize(("adapter", "rows"), EXAMPLES)
def test_the_same_rows_give_the_same_instances(adapter: str, rows: Rows) -> None:
    copy = json.loads(json.dumps(rows))
    assert read(adapter, rows) == read(adapter, copy)


def test_a_few_odd_rows_do_not_hide_the_format() -> None:
    assert recognise([*TRL, *TRL, {"prompt": 7}, {}])[0].adapter == "trl"


def test_a_table_of_anything_needs_the_mapper() -> None:
    guesses = recognise([{"q": "a", "left": "b", "right": "c"}], "hh-rlhf.csv")
    assert [guess.adapter for guess in guesses] == ["columns"]
    assert recognise([]) == []


def test_the_name_breaks_a_draw_only() -> None:
    assert recognise(HH, "trl.jsonl")[0].adapter == "hh"
