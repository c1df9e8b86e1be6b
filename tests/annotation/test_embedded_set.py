"""The embedded instances: their form, their variety, and that length does not give quality away."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from annotation.instances.simulation import load_embedded

INSTANCES = list(load_embedded())
COMPLETIONS = [completion for instance in INSTANCES for completion in instance["responses"]]


def text_of(instance: dict[str, Any]) -> str:
    """Return all text of an instance, prompt and completions."""
    prompt = instance["prompt"]
    turns = [prompt] if isinstance(prompt, str) else [turn["content"] for turn in prompt]
    return "\n".join([*turns, *(completion["text"] for completion in instance["responses"])])


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's rho, ties at their mean rank."""

    def ranks(values: list[float]) -> np.ndarray[Any, Any]:
        array = np.array(values)
        return np.array([(array < v).sum() + ((array == v).sum() + 1) / 2 for v in array])

    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def test_there_are_enough_instances_of_every_domain() -> None:
    domains = [instance["meta"]["domain"] for instance in INSTANCES]
    assert len(INSTANCES) >= 120
    assert len(COMPLETIONS) >= 360
    assert len(set(domains)) >= 8
    assert min(domains.count(domain) for domain in set(domains)) >= 10


def test_ids_and_prompts_are_unique() -> None:
    assert len({instance["id"] for instance in INSTANCES}) == len(INSTANCES)
    assert len({str(instance["prompt"]) for instance in INSTANCES}) == len(INSTANCES)


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance["id"])
def test_an_instance_is_well_formed(instance: dict[str, Any]) -> None:
    assert set(instance) == {"id", "prompt", "responses", "human", "ai", "meta"}
    assert instance["human"] == []
    assert instance["ai"] == []
    check_prompt(instance["prompt"])
    check_completions(instance["responses"])
    meta = instance["meta"]
    assert instance["id"].startswith(meta["domain"] + "-")
    assert len(meta["language"]) == 2
    assert meta["difficulty"] in {"easy", "moderate", "hard"}
    assert meta["safety"] in {"safe", "low", "moderate"}


def check_prompt(prompt: str | list[dict[str, str]]) -> None:
    if isinstance(prompt, str):
        assert prompt.strip()
        return
    assert all(turn["role"] in {"system", "user", "assistant"} for turn in prompt)
    assert all(turn["content"].strip() for turn in prompt)
    assert prompt[-1]["role"] == "user"


def check_completions(completions: list[dict[str, Any]]) -> None:
    assert 2 <= len(completions) <= 4
    assert len({completion["text"] for completion in completions}) == len(completions)
    assert len({completion["model"] for completion in completions}) == len(completions)
    qualities = [completion["quality"] for completion in completions]
    assert all(0 <= quality <= 1 for quality in qualities)
    assert max(qualities) - min(qualities) >= 0.15
    for completion in completions:
        assert set(completion) == {"text", "quality", "fault", "model"}
        assert completion["text"] == completion["text"].strip() != ""
        assert completion["text"].count("```") % 2 == 0
        assert (completion["quality"] >= 0.65) or completion["fault"]


def test_variety_of_content() -> None:
    multi_turn = [i for i in INSTANCES if isinstance(i["prompt"], list) and len(i["prompt"]) >= 3]
    system = [
        i for i in INSTANCES if isinstance(i["prompt"], list) if i["prompt"][0]["role"] == "system"
    ]
    foreign = [i for i in INSTANCES if i["meta"]["language"] != "en"]
    assert len(multi_turn) >= 8
    assert len(system) >= 3
    assert len([i for i in INSTANCES if "```" in text_of(i)]) >= 8
    assert len([i for i in INSTANCES if text_of(i).count("$") >= 2]) >= 12
    assert len(foreign) >= 15
    assert len({i["meta"]["language"] for i in foreign}) >= 6
    assert any("\u0600" <= letter <= "\u06ff" for i in foreign for letter in text_of(i))
    assert len([i for i in INSTANCES if i["meta"]["safety"] == "moderate"]) >= 8


def test_length_does_not_determine_quality() -> None:
    lengths = [float(len(completion["text"])) for completion in COMPLETIONS]
    qualities = [completion["quality"] for completion in COMPLETIONS]
    assert abs(rank_correlation(lengths, qualities)) < 0.35
    assert 0.3 <= np.mean([best_is_longest(instance) for instance in INSTANCES]) <= 0.6


def best_is_longest(instance: dict[str, Any]) -> bool:
    best = max(instance["responses"], key=lambda completion: completion["quality"])
    return bool(len(best["text"]) == max(len(c["text"]) for c in instance["responses"]))


def test_neither_position_nor_generator_gives_quality_away() -> None:
    first_wins = [
        instance["responses"][i]["quality"] > instance["responses"][j]["quality"]
        for instance in INSTANCES
        for i, j in combinations(range(len(instance["responses"])), 2)
    ]
    assert 0.42 <= np.mean(first_wins) <= 0.58
    overall = np.mean([completion["quality"] for completion in COMPLETIONS])
    for model in ("draft-1", "draft-2", "draft-3", "draft-4"):
        own = [c["quality"] for c in COMPLETIONS if c["model"] == model]
        assert abs(np.mean(own) - overall) < 0.1


def test_quality_is_spread_and_some_differences_are_subtle() -> None:
    gaps = [
        abs(a["quality"] - b["quality"])
        for instance in INSTANCES
        for a, b in combinations(instance["responses"], 2)
    ]
    assert sum(gap < 0.1 for gap in gaps) >= 10
    assert sum(gap > 0.5 for gap in gaps) >= 100
