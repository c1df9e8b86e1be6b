"""Real files of their formats give what was prepared from them by hand."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from annotation.instances.adapters import adapt, recognise
from annotation.instances.models import RecordedLabel
from annotation.instances.readers import read_rows
from annotation.instances.services import import_records
from tests.factories import make_project

from .reading import ranked, read
from .rows import Rows

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data beside the checkout"),
]


def _norm(name: str) -> dict[str, dict[str, Any]]:
    path = DATA / "norm" / name
    packed = path.read_bytes()
    plain = gzip.decompress(packed) if path.suffix == ".gz" else packed
    return {value["id"]: value for value in map(json.loads, plain.splitlines())}


def test_pandalm_is_as_prepared() -> None:
    rows = json.loads((DATA / "raw/pandalm/testset-v1.json").read_text())
    assert recognise(rows)[0].adapter == "pandalm"
    expected = _norm("pandalm_testset.jsonl")
    found = read("pandalm", rows)
    assert len(found) == len(expected) == 999
    for value in found:
        prepared = expected[value["id"]]
        for key in ("prompt", "responses", "human"):
            assert value[key] == prepared[key]


def test_openassistant_trees_are_as_prepared() -> None:
    lines = (DATA / "raw/oasst100/en_100_tree.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert recognise(rows)[0].adapter == "oasst"
    expected = _norm("oasst_en100_listwise.jsonl")
    found = {value["id"]: value for value in read("oasst", rows)}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value["prompt"] == expected[name]["prompt"]
        assert _by_text(value) == _by_text(expected[name])


def _by_text(value: dict[str, Any]) -> list[tuple[str, int]]:
    ranking = value["human"][0]["ranking"]
    return sorted(
        (each["text"], rank) for each, rank in zip(value["responses"], ranking, strict=True)
    )


def test_openassistant_messages_give_the_same_as_their_trees() -> None:
    lines = (DATA / "raw/oasst100/en_100_tree.jsonl").read_text().splitlines()
    trees = [json.loads(line) for line in lines]
    messages = [row for tree in trees for row in _flat(tree["prompt"], tree, None)]
    assert recognise(messages)[0].adapter == "oasst_messages"
    assert read("oasst_messages", messages) == read("oasst", trees)


def _flat(message: dict[str, Any], tree: dict[str, Any], parent: str | None) -> Rows:
    told = {key: value for key, value in message.items() if key != "replies"}
    row = told | {"message_tree_id": tree["message_tree_id"], "parent_id": parent}
    below = [_flat(each, tree, message["message_id"]) for each in message.get("replies", [])]
    return [row, *(each for rows in below for each in rows)]


def test_hh_transcripts_are_split_as_prepared() -> None:
    """The prepared dialogues, written as the transcripts that they were made of."""
    expected = list(_norm("hh_rlhf.jsonl.gz").values())
    rows = [_transcripts(value) for value in expected]
    assert recognise(rows)[0].adapter == "hh"
    found = read("hh", rows)
    assert len(found) == 7485
    for value, prepared in zip(found, expected, strict=True):
        assert value["prompt"] == prepared["prompt"]
        assert ranked(value) == ranked(prepared)
    first = sum(value["human"][0]["ranking"] == [1, 2] for value in found)
    # Which side is better cannot be told by its place.
    assert 0.48 < first / len(found) < 0.52


def _transcripts(value: dict[str, Any]) -> dict[str, str]:
    turns = [*value["prompt"], {"role": "assistant", "content": ""}]
    speakers = {"user": "Human", "assistant": "Assistant"}
    before = "".join(f"\n\n{speakers[turn['role']]}: {turn['content']}" for turn in turns)
    chosen, rejected = next(iter(ranked(value).values()))
    return {"chosen": before + chosen, "rejected": before + rejected}


@pytest.mark.parametrize(
    "name", ["crowdrag25_pairs.jsonl", "llmfao.jsonl", "squality_human_eval.jsonl"]
)
def test_the_interchange_format_stays_as_it_is(name: str) -> None:
    rows = list(_norm(name).values())
    assert recognise(rows)[0].adapter == "interchange"
    assert read("interchange", rows) == rows


def test_pairs_without_labels_are_mapped_by_hand() -> None:
    lines = (DATA / "raw/llmfao/pairs-crowd.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [guess.adapter for guess in recognise(rows)] == ["columns"]
    options = {"id": "id", "prompt": "text", "completions": ["result_x", "result_y"]}
    found = read("columns", rows, **options, metadata=["type", "slug"])
    expected = list(_norm("llmfao.jsonl").values())
    assert [value["prompt"] for value in found] == [value["prompt"] for value in expected]


@pytest.mark.django_db
def test_a_published_file_imports_whole_and_twice_changes_nothing() -> None:
    path = DATA / "raw/pandalm/testset-v1.json"
    project = make_project()
    reports = []
    for _ in range(2):
        lines = adapt("pandalm", read_rows(path, path.name), {})
        reports.append(import_records(project=project, lines=lines, reveal=False))
    first, second = reports
    assert first.errors == second.errors == []
    assert (first.created, first.duplicates) == (900, 99)
    assert (second.created, second.updated) == (0, 0)
    assert RecordedLabel.objects.filter(instance__project=project).count() == first.labels
