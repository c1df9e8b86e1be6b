"""A file that was exported comes back, in every shape that has texts."""

import json

import pytest

from annotation.datasets.shapes import SHAPES
from annotation.datasets.shapes.cases import Labelled
from annotation.instances.adapters import recognise

from .exported_rows import CASE, CRITERIA, EXPORTED, LIST, PAIR, TEXTLESS, TEXTS
from .reading import lines_of, ranked, read

# By worth: of two, and of three.
OF_TWO = ["Hello", "Hi there"]
OF_THREE = ["Hi there", "Hello", "Go away"]
WHOLE = [shape for shape in EXPORTED if shape in {"pairs", "listwise", "scored"}]
TRL = ["trl", "trl-standard", "trl-implicit", "curriculum"]


@pytest.mark.parametrize("shape", [*WHOLE, *TRL])
def test_a_consensus_comes_back_as_one_label(shape: str) -> None:
    pair, several = read("tandem", EXPORTED[shape])
    assert (pair["id"], several["id"]) == ("pair-1", "list-1")
    assert ranked(pair) == {"consensus": OF_TWO}
    assert ranked(several) == {"consensus": OF_THREE}


@pytest.mark.parametrize("shape", WHOLE)
def test_order_and_makers_of_completions_come_back(shape: str) -> None:
    _, several = read("tandem", EXPORTED[shape])
    assert [each["text"] for each in several["responses"]] == TEXTS
    assert [each["model"] for each in several["responses"]] == ["model-0", "model-1", "model-2"]


def test_the_probability_of_a_pair_comes_back() -> None:
    (pair, _) = read("tandem", EXPORTED["pairs"])
    assert pair["human"][0]["attributes"] == {"p": 0.75, "weight": 1, "margin": 0.5}


def test_a_tie_comes_back() -> None:
    rows = list(SHAPES["pairs"].rows(PAIR | {"pair_p": 0.5}, CRITERIA))
    (pair,) = read("tandem", rows)
    assert pair["human"][0]["ranking"] == [1, 1]


def test_rows_without_provenance_are_named_by_their_content() -> None:
    rows = [
        {key: each for key, each in row.items() if key != "instance_id"}
        for row in EXPORTED["pairs"]
    ]
    assert recognise(rows)[0].adapter == "tandem"
    pair, *of_list = read("tandem", rows)
    # The list begins with the same two completions: the same content has the same name.
    assert pair["id"] == of_list[0]["id"]
    assert len({value["id"] for value in of_list}) == 3


def test_every_label_comes_back_with_all_that_was_noted() -> None:
    (value,) = read("tandem", EXPORTED["labels"])
    overall, helpfulness, fine, edited = value["human"]
    assert overall == {
        **{"annotator": "ann", "criterion": "overall", "ranking": [1, 2], "strength": 0.5},
        **{"confidence": 3, "rationale": "Because.", "reasons": ["Clear"], "seconds": 4.5},
        **{"order": [1, 0], "created_at": "2026-01-02T03:04:05+00:00"},
    }
    assert helpfulness["scores"] == [4, 2]
    assert fine["scores"] == [1, 0]
    assert edited["edit"] == {"position": 1, "text": "Hi there!"}
    assert value["meta"] == {"topic": "greeting"}
    assert value["tags"] == ["short"]


def test_interchange_in_a_table_is_opened() -> None:
    rows = list(SHAPES["interchange"].rows(CASE, CRITERIA))
    assert recognise(rows)[0].adapter == "interchange"
    (value,) = read("interchange", rows)
    (other,) = read("tandem", EXPORTED["labels"])
    assert value["human"] == other["human"]
    assert value["responses"] == other["responses"]


def test_thumbs_and_ratings_come_back_by_criterion() -> None:
    (thumbs,) = read("tandem", EXPORTED["unpaired"])
    assert [(each["criterion"], each["scores"]) for each in thumbs["human"]] == [("fine", [1, 0])]
    (rated,) = read("tandem", EXPORTED["ratings"])
    assert rated["human"][0]["scores"] == [4, 2]
    assert rated["human"][0]["criterion"] == "helpfulness"


def test_ratings_with_the_names_of_helpsteer_are_still_ours() -> None:
    names = ("helpfulness", "correctness", "coherence")
    rows = [row | dict.fromkeys(names, 3.0) for row in EXPORTED["ratings"]]
    assert [guess.adapter for guess in recognise(rows)] == ["tandem", "columns"]
    (rated,) = read("tandem", rows)
    assert {each["criterion"]: each["scores"] for each in rated["human"]} == {
        name: [3, 3] for name in names
    }


def test_edits_and_reasons_come_back_by_annotator() -> None:
    (edited,) = read("tandem", EXPORTED["edits"])
    assert edited["human"][0]["edit"] == {"position": 0, "text": "Hi there!"}
    (reasons,) = read("tandem", EXPORTED["rationales"])
    assert {each["annotator"]: each["ranking"] for each in reasons["human"]} == {
        "ann": [1, 2],
        "bob": [2, 1],
    }


@pytest.mark.parametrize("shape", sorted(TEXTLESS))
def test_shapes_that_tell_too_little_are_refused(shape: str) -> None:
    rows = (
        [dict(label) for label in CASE.labels]
        if shape == "annotations"
        else list(SHAPES[shape].rows(LIST, CRITERIA))
    )
    (line,) = lines_of("tandem", rows)
    assert line.error
    assert "export" in line.error


@pytest.mark.parametrize(
    ("shape", "adapter"),
    [
        ("multipref", "multipref"),
        ("helpsteer3", "helpsteer_preference"),
        ("rewardbench", "rewardbench"),
    ],
)
def test_shapes_of_other_people_are_read_by_their_adapters(shape: str, adapter: str) -> None:
    given = PAIR if shape == "rewardbench" else CASE
    rows = list(SHAPES[shape].rows(given, CRITERIA))
    assert recognise(rows)[0].adapter == adapter
    (value,) = read(adapter, rows)
    assert value["id"] == ("pair-1" if given is PAIR else "case-1")
    assert {each["text"] for each in value["responses"]} == set(OF_TWO)
    assert {each["annotator"] for each in value["human"]} <= {"ann", "bob", "consensus"}


def test_licences_of_both_sides_go_out_and_come_back() -> None:
    completions = json.loads(CASE.instance["completions"])
    completions[0]["licence"] = "CC-BY-4.0"
    case = Labelled({**CASE.instance, "completions": json.dumps(completions)}, CASE.labels)
    rows = list(SHAPES["helpsteer3"].rows(case, CRITERIA))
    assert [(row["licence1"], row["licence2"]) for row in rows] == [("CC-BY-4.0", "")]
    (value,) = read("helpsteer_preference", rows)
    assert [each.get("licence") for each in value["responses"]] == ["CC-BY-4.0", None]
    assert "licence1" not in value["meta"]


@pytest.mark.parametrize("shape", EXPORTED)
def test_a_table_gives_the_same_as_lines(shape: str) -> None:
    rows = [row | {"simulated": True} for row in EXPORTED[shape]]
    cells = [{key: cell(value) for key, value in row.items()} for row in rows]
    found = read("tandem", cells)
    assert found == read("tandem", rows)
    assert all(each["simulated"] is True for row in found for each in row.get("human", ()))


def cell(value: object) -> str:
    """As a CSV of ours writes it and our reader reads it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
