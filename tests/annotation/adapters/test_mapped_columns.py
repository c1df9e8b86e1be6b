"""Any table, with its columns told by hand."""

from typing import Any

import pytest

from .reading import lines_of, ranked, read

ROW = {"q": "Hi", "a": "Hello", "b": "Go away", "ma": "m1", "mb": "m2", "who": "ann", "n": "7"}
OPTIONS = {"prompt": "q", "completions": ["a", "b"], "models": ["ma", "mb"], "winner": "w"}


@pytest.mark.parametrize(
    ("winner", "ranking"),
    [
        *(("a", [1, 2]), ("B", [2, 1]), ("model_b", [2, 1]), ("m2", [2, 1]), ("left", [1, 2])),
        *(("1", [1, 2]), (2, [2, 1]), ("tie", [1, 1]), (0, [1, 1]), ("response 2", [2, 1])),
    ],
)
def test_a_winner_by_any_name(winner: Any, ranking: list[int]) -> None:
    (value,) = read("columns", [ROW | {"w": winner}], **OPTIONS, annotator="who", id="n")
    assert value["id"] == "7"
    assert value["human"] == [{"annotator": "ann", "ranking": ranking}]
    assert value["responses"][0] == {"text": "Hello", "model": "m1"}


def test_numbers_may_count_from_zero() -> None:
    (value,) = read("columns", [ROW | {"w": 0}], **OPTIONS, counted_from=0)
    assert value["human"][0]["ranking"] == [1, 2]


def test_a_winner_that_names_nothing_is_refused() -> None:
    (line,) = lines_of("columns", [ROW | {"w": "z"}], **OPTIONS)
    assert line.error == "Columns: w says 'z', which names none of the completions"


def test_rows_of_one_id_are_labels_on_one_instance() -> None:
    rows = [ROW | {"w": "a"}, ROW | {"w": "b", "who": "bob"}, ROW | {"w": "a", "n": "8"}]
    first, second = read("columns", rows, **OPTIONS, annotator="who", id="n")
    assert ranked(first) == {"ann": ["Hello", "Go away"], "bob": ["Go away", "Hello"]}
    assert second["id"] == "8"


def test_chosen_and_rejected_with_a_judge_and_beside() -> None:
    row = {"q": "Hi", "s": "Be kind", "good": "Hello", "bad": "No", "t": "x, y", "why": "Kind."}
    (value,) = read(
        "columns",
        [row],
        **{"prompt": "q", "system": "s", "chosen": "good", "rejected": "bad", "judge": "gpt-4"},
        **{"rationale": "why", "tags": "t", "metadata": ["t"], "criterion": "helpfulness"},
    )
    assert value["prompt"][0] == {"role": "system", "content": "Be kind"}
    assert value["tags"] == ["x", "y"]
    (label,) = value["ai"]
    assert (label["judge"], label["criterion"], label["rationale"]) == (
        "gpt-4",
        "helpfulness",
        "Kind.",
    )
    assert [value["responses"][place]["text"] for place in map(label["ranking"].index, (1, 2))] == [
        "Hello",
        "No",
    ]


def test_lists_in_cells_with_ranks_ratings_and_thumbs() -> None:
    row = {"q": "Hi", "all": '["x", "y", "z"]', "r": "[2, 1, 3]", "s": "[4, null, 1]", "up": "yes"}
    asked = {"prompt": "q", "completions": "all"}
    (value,) = read("columns", [row], **asked, ranking="r")
    assert value["human"][0]["ranking"] == [2, 1, 3]
    (value,) = read("columns", [row], **asked, rating="s")
    assert value["human"][0]["scores"] == [4, None, 1]
    (value,) = read("columns", [row], prompt="q", completions=["q"], label="up")
    assert value["human"][0]["scores"] == [1]


def test_without_options_nothing_is_guessed() -> None:
    (line,) = lines_of("columns", [ROW])
    assert line.error == "Columns: the options name no columns with completions"
