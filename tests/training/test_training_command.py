"""`python -m training fit run.yaml`: the documented example, data in lines of JSON, refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from transformers import AutoModelForSequenceClassification

from training.__main__ import main
from training.batching.rows import read_rows
from training.errors import RefusalError
from training.fit.jsonl import read_jsonl
from training.fit.workfolder import work_folder

from .command import ROOT

DOCUMENT = (ROOT / "docs" / "training-command.md").read_text()


def block(language: str) -> str:
    """The first code block of a language in the documentation."""
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    (tmp_path / "run.yaml").write_text(block("yaml"))
    for name in ("pairs", "held-out"):
        (tmp_path / f"{name}.jsonl").write_text(block("jsonl"))
    return tmp_path / "run.yaml"


def test_the_documented_example_runs(
    example: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.__main__.listen_for_stop", lambda: None)
    assert main(["fit", str(example)]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["event"] == "result"
    assert last["values"]["counts"]["train"]["rows"] == 4
    folder = example.parent / "my-run"
    AutoModelForSequenceClassification.from_pretrained(folder / "model")
    written = DOCUMENT.split("## Further fields")[0]
    for name in re.findall(r"^\| `([^|]+)` \|", written, re.MULTILINE):
        for path in name.split("`, `"):
            assert (folder / path).exists(), path


def test_every_shape_becomes_a_row(example: Path) -> None:
    folder = work_folder(example)
    assert folder == example.parent / "my-run"
    rows = read_rows(folder / "data" / "train.parquet")
    assert [row.prompt[0]["content"] for row in rows] == [
        "What is 2 + 2?",
        "And 3 + 3?",
        "And 4 + 4?",
        "And 5 + 5?",
    ]
    assert rows[2].completions == ("Eight, exact.", "A rude reply.")
    assert rows[2].preference.pair_p == 1.0
    assert rows[3].preference.relevance == (-1.0, -2.0, -2.0)
    assert rows[3].preference.source == "human"
    assert json.loads((folder / "config.json").read_text())["learning_rate"] == 3e-3


def one_line(folder: Path, line: Any) -> Path:
    path = folder / "lines.jsonl"
    path.write_text("\n" + (line if isinstance(line, str) else json.dumps(line)) + "\n")
    return path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "line 2: it is no JSON object"),
        ("{", "line 2: Expecting"),
        ({"prompt": "a", "chosen": "b"}, "line 2: the key `rejected` is missing"),
        ({"chosen": "b", "rejected": "c"}, "share no prompt"),
        ({"prompt": 3, "chosen": "b", "rejected": "c"}, "`prompt` must be a text or a list"),
        ({"prompt": [{"role": "user"}], "chosen": "b", "rejected": "c"}, "needs `role` and"),
        ({"prompt": "a", "completion": "b", "label": 1}, "`label` is 1"),
        ({"prompt": "a", "responses": [{"text": "b"}, {"text": "c"}]}, "no label under"),
        (
            {"prompt": "a", "responses": [{"text": "b"}], "human": [{"ranking": [1, 2]}]},
            "`human\\[\\].ranking` must be a list of 1 numbers",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: Any, message: str) -> None:
    with pytest.raises(RefusalError, match=message) as caught:
        read_jsonl(one_line(tmp_path, line))
    assert caught.value.hint


def test_labels_of_people_and_judges(tmp_path: Path) -> None:
    line = {
        "prompt": "a",
        "responses": [{"text": "b"}, {"text": "c"}],
        "human": [
            {"ranking": [1, 2]},
            {"ranking": [2, 1]},
            {"ranking": [1, 1]},
            {"ranking": [1, 2]},
        ],
        "ai": [{"ranking": [2, 1]}],
        "weight": 0.5,
    }
    (row,) = read_jsonl(one_line(tmp_path, line))
    assert row["pair_p"] == (1 + 0 + 0.5 + 1) / 4
    assert row["weight"] == 0.5
    (judged,) = read_jsonl(one_line(tmp_path, line | {"human": []}))
    assert (judged["pair_p"], judged["source"]) == (0.0, "ai")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: [reward", "not YAML"),
        ("just a text", "no fields"),
        ("kind: reward\ncolour: red", "`colour` is not a setting"),
        ("kind: reward\npreset: bt\nbase: {scratch: {}}", "`data` is missing"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(RefusalError, match=message):
        work_folder(path)


def test_parquet_is_taken_as_it_is(example: Path) -> None:
    parquet = example.parent / "pairs.parquet"
    source = work_folder(example) / "data" / "train.parquet"
    pq.write_table(pq.read_table(source), parquet)
    example.write_text(block("yaml").replace("pairs.jsonl", "pairs.parquet"))
    folder = work_folder(example)
    assert json.loads((folder / "config.json").read_text())["data"]["train"] == str(parquet)
