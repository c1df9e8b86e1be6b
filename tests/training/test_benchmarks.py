"""Benchmarks in the form in which they are published, scored by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.errors import RefusalError
from training.fit.benchmarks import judgebench, llmbar, rewardbench, rewardbench2
from training.fit.benchmarks.entries import Entry
from training.fit.benchmarks.names import BENCHMARKS
from training.fit.benchmarks.reading import benchmark

# --- RewardBench ----------------------------------------------------------------------------


def rewardbench_file(folder: Path) -> Path:
    subsets = ["alpacaeval-easy", "alpacaeval-easy", "mt-bench-med", "math-prm", "hep-cpp"]
    rows = [
        {
            "prompt": f"Question {k}?",
            "chosen": "good",
            "chosen_model": "a",
            "rejected": "bad",
            "rejected_model": "b",
            "subset": subset,
            "id": k,
        }
        for k, subset in enumerate(subsets)
    ]
    path = folder / "filtered-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_rewardbench_weighs_subsets_by_prompts_and_sections_alike(tmp_path: Path) -> None:
    entries = rewardbench.read(rewardbench_file(tmp_path))
    assert entries[0].messages == ({"role": "user", "content": "Question 0?"},)
    assert entries[0].completions == ("good", "bad")
    rewards = [(2.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (3.0, -3.0)]
    found = rewardbench.score(entries, rewards)
    assert found["subsets"] == {
        "alpacaeval-easy": 0.5,
        "mt-bench-med": 1.0,
        "math-prm": 0.0,
        "hep-cpp": 1.0,
    }
    chat, reasoning = (0.5 * 100 + 40) / 140, (0 * 984 + 164) / (984 + 164)
    assert found["sections"] == pytest.approx({"Chat": chat, "Reasoning": reasoning})
    assert found["score"] == pytest.approx((chat + reasoning) / 2)
    assert found["prompts"]["alpacaeval-easy"] == 2
    assert len(found["missing"]) == 23 - 4


def test_the_prompts_of_rewardbench_add_up_to_its_published_counts() -> None:
    totals = {name: sum(weights.values()) for name, weights in rewardbench.SECTIONS.items()}
    assert totals == {"Chat": 358, "Chat Hard": 456, "Safety": 740, "Reasoning": 984 * 2}
    assert sum(totals.values()) - 984 + 447 == 2985


# --- RewardBench 2 --------------------------------------------------------------------------


def entry2(subset: str, name: str, right: int = 1, wrong: int = 3) -> dict[str, Any]:
    return {
        "id": name,
        "prompt": f"Question {name}?",
        "chosen": [f"right {k}" for k in range(right)],
        "rejected": [f"wrong {k}" for k in range(wrong)],
        "num_correct": right,
        "num_incorrect": wrong,
        "total_completions": right + wrong,
        "subset": subset,
    }


def test_rewardbench2_takes_the_best_of_four_and_shares_a_tied_top(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    rows = [entry2("Math", "1"), entry2("Math", "2"), entry2("Math", "3"), entry2("Focus", "4")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    entries = rewardbench2.read(path)
    rewards = [
        (2.0, 1.0, 0.0, 0.0),  # the best
        (1.0, 1.0, 0.0, 1.0),  # shares the top with two others
        (0.0, 1.0, 0.0, 0.0),  # not the best
        (5.0, 5.0, 1.0, 1.0),
    ]
    found = rewardbench2.score(entries, rewards)
    assert found["subsets"] == pytest.approx({"Math": (1 + 1 / 3 + 0) / 3, "Focus": 0.5})
    assert found["score"] == pytest.approx((4 / 9 + 0.5) / 2)
    assert "ties" not in found
    assert found["missing"] == ["Factuality", "Precise IF", "Safety", "Ties"]


def test_rewardbench2_scores_ties_by_accuracy_and_margins(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    rows = [
        entry2("Ties", "ref:1", right=1, wrong=2),
        entry2("Ties", "tied:1", right=3, wrong=2),
        entry2("Ties", "ref:2", right=1, wrong=2),
        entry2("Ties", "tied:2", right=2, wrong=2),
    ]
    path.write_text(json.dumps(rows))
    entries = rewardbench2.read(path)
    assert [entry.right for entry in entries] == [1, 3, 1, 2]
    rewards = [
        (3.0, 2.0, 0.0),  # gap 1
        (5.0, 4.0, 4.5, 2.0, 1.0),  # spread 1, gap 2
        (1.0, 2.0, 0.0),  # gap -1
        (6.0, 4.0, 3.5, 0.0),  # spread 2, gap 0.5
    ]
    found = rewardbench2.score(entries, rewards)["ties"]
    assert found["tied_accuracy"] == 1.0
    assert found["ref_accuracy"] == 0.5
    assert found["preferred"] == 0.5
    # The gap of the reference, 1, is not above the spread, 1.
    assert found["preferred_hard"] == 0.0
    margin = (math.tanh(1 / 1 - 1) + math.tanh(-1 / 2 - 1)) / 2
    assert found["margin"] == pytest.approx(margin)
    assert found["score"] == pytest.approx(0.3 + 0.15 + 0.1 + 0.0 + 0.01 * margin)


def test_ties_of_equal_right_answers_have_the_whole_margin() -> None:
    one = Entry("Ties", (), ("a", "b"), 1, "ref:1")
    many = Entry("Ties", (), ("a", "b", "c"), 2, "tied:1")
    assert rewardbench2.ties_figures([(one, (1.0, 0.0)), (many, (1.0, 1.0, 0.0))])["score"] == 1.01
    assert rewardbench2.ties_figures([(one, (0.0, 0.0)), (many, (0.0, 0.0, 0.0))])["score"] == 0.0


def test_ties_without_their_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text(json.dumps([entry2("Ties", "17")]))
    with pytest.raises(RefusalError, match="neither"):
        rewardbench2.read(path)


# --- JudgeBench -----------------------------------------------------------------------------


def test_judgebench_is_scored_over_all_pairs(tmp_path: Path) -> None:
    sources = ["mmlu-pro-law", "mmlu-pro-physics", "livebench-math", "livecodebench"]
    rows = [
        {
            "pair_id": str(k),
            "original_id": str(k),
            "source": source,
            "question": f"Question {k}?",
            "response_model": "m",
            "response_A": "A's",
            "response_B": "B's",
            "label": "B>A" if k % 2 else "A>B",
        }
        for k, source in enumerate(sources)
    ]
    path = tmp_path / "dataset=judgebench,response_model=m.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    entries = judgebench.read(path)
    assert [entry.completions[0] for entry in entries] == ["A's", "B's", "A's", "B's"]
    found = judgebench.score(entries, [(1.0, 0.0), (0.0, 1.0), (2.0, 1.0), (1.0, 1.0)])
    assert found["subsets"] == {"Knowledge": 0.5, "Math": 1.0, "Coding": 0.0}
    assert found["score"] == 0.5
    assert found["missing"] == ["Reasoning"]


# --- LLMBar ---------------------------------------------------------------------------------


def test_llmbar_has_a_file_for_each_subset(tmp_path: Path) -> None:
    rows = {
        "Natural": [1, 2],
        "Adversarial/Neighbor": [2],
        "Adversarial/Manual": [1],
    }
    for name, labels in rows.items():
        folder = tmp_path / "LLMBar" / name
        folder.mkdir(parents=True)
        entries = [
            {"input": "Do it.", "output_1": "one", "output_2": "two", "label": label}
            for label in labels
        ]
        (folder / "dataset.json").write_text(json.dumps(entries))
    found = llmbar.read(tmp_path / "LLMBar")
    assert [(e.subset, e.completions[0]) for e in found] == [
        ("Manual", "one"),
        ("Neighbor", "two"),
        ("Natural", "one"),
        ("Natural", "two"),
    ]
    figures = llmbar.score(found, [(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
    assert figures["subsets"] == {"Manual": 1.0, "Neighbor": 0.5, "Natural": 0.5}
    assert figures["sections"] == {"Adversarial": 0.75}
    assert figures["score"] == pytest.approx(2 / 3)
    assert figures["missing"] == ["GPTInst", "GPTOut"]


# --- What is wrong with a file --------------------------------------------------------------


@pytest.mark.parametrize("name", list(BENCHMARKS))
@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("x.json", "{", "cannot be read"),
        ("x.json", "[1]", "not a list of objects"),
        ("x.jsonl", "", "is empty"),
        ("x.jsonl", '{"other": 1}', "lacks `"),
        ("x.parquet", "no parquet", "cannot be read"),
    ],
)
def test_files_that_are_something_else_are_refused(
    tmp_path: Path, name: str, file: str, text: str, message: str
) -> None:
    path = tmp_path / file
    path.write_text(text)
    with pytest.raises(RefusalError, match=message):
        benchmark(name).read(path)


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(RefusalError, match="no benchmark"):
        benchmark("mmlu")
