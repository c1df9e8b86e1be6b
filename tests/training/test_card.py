"""The model card: front matter that parses, and what a reader must find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from training.fit import fit
from training.fit.card.text import serving_text, without_front_matter
from training.fit.card.writing import licence_of

from .command import configure, fit_values, write_data

NOTES = {
    "project": "helpful",
    "snapshot": "ab" * 32,
    "simulated_share": 0.25,
    "labels_by_kind": {"person": 30, "judge": 10},
    "rows_by_source": {"human": 24},
    "licences": {"MIT": 20, 'a | b: "c"': 4},
    "selection": {
        "steps": [
            {"name": "all", "left": 30, "rows": 28},
            {"name": "reward_margin", "left": 24, "rows": 23},
        ]
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("card")
    data = write_data(folder / "data")
    values = fit.run(configure(folder / "run", fit_values(data, steps=2, notes=NOTES)))
    return (folder / "run" / "model" / "model_card.md").read_text(), values


def test_front_matter_parses(run: tuple[str, dict[str, Any]]) -> None:
    text, _ = run
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "unknown"
    assert front["tags"] == ["reward-model", "bt"]
    assert front["metrics"] == ["accuracy"]
    assert "base_model" not in front  # from random weights
    assert without_front_matter(text).startswith("# Reward model trained with the objective bt")


def test_a_reader_finds_data_figures_and_settings(run: tuple[str, dict[str, Any]]) -> None:
    text, values = run
    low, high = values["eval"]["accuracy_interval"]
    for part in (
        f"Snapshot `{'ab' * 32}` of the project helpful",
        "stand behind 25% of its rows",
        "person 30, judge 10",
        "human 24",
        "| all | 30 | 28 |",
        "| reward margin | 24 | 23 |",
        "MIT 20",
        "| rows | 24 | 12 |",
        f"interval {low:.3f} to {high:.3f}",
        "https://arxiv.org/abs/2203.02155",
        "| learning_rate | 0.003 |",
        f"| torch | {values['surroundings']['torch']} |",
        f"{values['first_loss']:.4f}, {values['last_loss']:.4f}",
        "from_pretrained(folder)",
    ):
        assert part in text, part


def test_the_snippet_in_the_card_gives_our_reward(
    run: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    import torch
    import transformers

    from training.fit import score

    text, _ = run
    code = text.split("```python\n")[1].split("```")[0]
    data = write_data(tmp_path / "data")
    model = fit.run(configure(tmp_path / "run", fit_values(data, steps=2)))
    assert model["steps"] == 2
    names: dict[str, Any] = vars(transformers) | {
        "folder": tmp_path / "run" / "model",
        "question": "Question 1000?",
        "answer": "clear exact",
    }
    with torch.no_grad():
        exec(code, names)  # noqa: S102 - our own card
    import pyarrow as pa
    import pyarrow.parquet as pq

    prompt = json.dumps([{"role": "user", "content": "Question 1000?"}])
    pq.write_table(pa.table({"prompt": [prompt], "completions": [["clear exact"]]}), tmp_path / "a")
    settings = {"model": str(tmp_path / "run" / "model"), "data": str(tmp_path / "a")}
    score.run(configure(tmp_path / "score", settings))
    rewards = pq.read_table(tmp_path / "score" / "scores.parquet")["rewards"].to_pylist()
    assert rewards[0][0] == pytest.approx(names["reward"], abs=1e-4)


def test_recentring_and_policies() -> None:
    text = serving_text("reward", causal=True, scale={"offset": 1.5, "factor": 0.5})
    assert "(reward - 1.5) * 0.5" in text
    assert "vllm serve" in serving_text("policy", causal=True)
    assert "/predict" in serving_text("reward", causal=False)


def test_the_licence_of_a_base_is_read_from_its_card(tmp_path: Path) -> None:
    assert licence_of(tmp_path) == ""
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\ntags: []\n---\n# A model\n")
    assert licence_of(tmp_path) == "apache-2.0"
    assert licence_of(None) == ""
