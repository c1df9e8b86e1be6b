"""Policies that are told which rating to reach learn from good and from bad completions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from training.batching.conditioning import for_each_rating, for_the_best
from training.batching.rows import Row, read_rows
from training.errors import RefusalError
from training.fit import fit
from training.objectives.preference import Preference

from .command import configure, fit_values
from .small import rows


@pytest.fixture(autouse=True)
def _leave_torch_as_it_was() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def rated(ratings: tuple[float, ...], **labels: Any) -> Row:
    relevance = tuple(float(r) for r in ratings)
    preference = Preference(relevance, attributes={"help": ratings}, **labels)
    texts = tuple(f"answer {k}" for k in range(len(ratings)))
    return Row(({"role": "user", "content": "Why?"},), texts, preference, "hash", "id")


def test_a_pair_becomes_two_rows_and_the_goal_decides_which_side_is_better() -> None:
    first, second = for_each_rating([rated((4.0, 1.5), pair_p=0.9, margin=2.0)], "help")
    assert first.prompt[-1]["content"] == "Why?\n\n[help: 4]"
    assert second.prompt[-1]["content"] == "Why?\n\n[help: 1.5]"
    assert first.preference.relevance == (0.0, -6.25)
    assert second.preference.relevance == (-6.25, 0.0)
    assert [row.preference.probability for row in (first, second)] == [1.0, 0.0]
    assert {row.preference.margin for row in (first, second)} == {0.0}


def test_lists_have_a_row_for_every_different_rating_and_equal_ones_stay_tied() -> None:
    found = for_each_rating([rated((3.0, 1.0, 3.0))], "help")
    assert [row.preference.relevance for row in found] == [(0.0, -4.0, 0.0), (-4.0, 0.0, -4.0)]


def test_held_out_rows_name_the_best_rating_of_all_and_keep_their_labels() -> None:
    members = [rated((4.0, 1.0), pair_p=0.8), rated((2.0, 3.0))]
    found = for_the_best(members, "help")
    assert [row.prompt[-1]["content"] for row in found] == ["Why?\n\n[help: 4]"] * 2
    assert [row.preference for row in found] == [row.preference for row in members]


def test_rows_without_every_rating_stay_and_a_name_that_none_has_is_refused() -> None:
    partly = rated((1.0, math.nan))
    assert for_each_rating([partly, rated((2.0, 1.0))], "help")[0] is partly
    with pytest.raises(RefusalError, match="No row rates 'tone'") as refused:
        for_each_rating([rated((2.0, 1.0))], "tone")
    assert "condition_on" in refused.value.hint


def write(folder: Path) -> dict[str, str]:
    for name, count, start in (("train", 24, 0), ("eval", 8, 1000)):
        columns = rows(count, start=start)
        columns["attributes"] = [
            json.dumps({"help": [1 + 3 * score for score in scores]}) for scores in columns["score"]
        ]
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return {name: str(folder / f"{name}.parquet") for name in ("train", "eval")}


@pytest.mark.parametrize("preset", ["dpo", "sft"])
def test_a_policy_learns_to_reach_what_it_is_asked_for(preset: str, tmp_path: Path) -> None:
    data = write(tmp_path)
    options: dict[str, Any] = {"preset": preset, "condition_on": "help", "steps": 60}
    options |= {"max_length": 96, "sample_prompts": 1, "keep": "last"}
    report = fit.run(configure(tmp_path / "run", fit_values(data, "policy", **options)))
    assert report["counts"]["train"]["rows"] == 48  # both sides' ratings are goals
    assert report["counts"]["eval"]["rows"] == 8
    assert report["eval"]["accuracy"] > 0.5
    assert "[help: 4]" in json.dumps(report["samples"])


def test_reward_models_are_told_no_goal(tmp_path: Path) -> None:
    values = fit_values(write(tmp_path), condition_on="help")
    with pytest.raises(RefusalError, match="is for policies"):
        fit.run(configure(tmp_path / "run", values))
    assert read_rows(tmp_path / "train.parquet")
