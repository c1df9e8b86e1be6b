"""Criteria combined to people's choice, and whether a judge's model and sampling are pinned."""

import random

import numpy as np
import pytest

from annotation.judges.report.combining import combine
from annotation.judges.snapshots import pinned, sampling_known


def planted(
    weights: list[float], pairs: int, seed: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    said = rng.uniform(-1, 1, (pairs, len(weights)))
    chance = 1 / (1 + np.exp(-said @ np.array(weights)))
    chosen = np.where(rng.random(pairs) < chance, 1.0, -1.0)
    return said, chosen, [f"p{n // 2}" for n in range(pairs)]


def test_planted_weights_lie_in_their_intervals() -> None:
    true = [3.0, 0.0, -1.5]
    inside = 0
    for seed in range(20):
        found = combine(["a", "b", "c"], *planted(true, 600, seed))
        assert found is not None
        rows = zip(found.weights, true, strict=True)
        inside += sum(row.low <= value <= row.high for row, value in rows)
    # 95 % of 60, less what the ridge shrinks and the draw adds.
    assert inside >= 51


def test_together_they_beat_each_alone_on_unseen_prompts() -> None:
    found = combine(["a", "b"], *planted([4.0, 4.0], 800, 1))
    assert found is not None
    assert (found.pairs, found.prompts) == (800, 400)
    assert found.held_out is not None
    for row in found.weights:
        assert row.alone is not None
        assert found.held_out.low > row.alone.value


def test_noise_names_nothing_on_unseen_prompts() -> None:
    found = combine([f"c{n}" for n in range(6)], *planted([0.0] * 6, 400, 3))
    assert found is not None
    assert found.held_out is not None
    assert found.held_out.low < 0.5 < found.held_out.high


def test_too_little_is_not_combined() -> None:
    assert combine(["a"], *planted([1.0], 200, 0)) is None
    assert combine(["a", "b"], *planted([1.0, 1.0], 38, 0)) is None
    assert combine([f"c{n}" for n in range(5)], *planted([1.0] * 5, 48, 0)) is None


@pytest.mark.parametrize(
    ("provider", "model", "is_pinned"),
    [
        ("openai-compatible", "gpt-4o-2024-08-06", True),
        ("openai-compatible", "gpt-4-0613", True),
        ("openai-compatible", "gpt-4o", False),
        ("openai-compatible", "mistral-large-2407", True),
        ("openai-compatible", "mistral-large-latest", False),
        ("openai-compatible", "Qwen/Qwen2.5-7B-Instruct", True),
        ("openai-compatible", "llama3.1:8b", False),
        ("openai-compatible", "gemini-1.5-pro-002", True),
        ("anthropic", "claude-3-5-sonnet-20241022", True),
        ("anthropic", "claude-3-5-sonnet-latest", False),
        ("local-model", "my-model", True),
        ("recorded", "gpt-4", True),
    ],
)
def test_snapshots_are_told_from_moving_names(provider: str, model: str, is_pinned: bool) -> None:
    assert pinned(provider, model) is is_pinned


def test_sampling_is_unknown_only_where_it_is_left_to_the_provider() -> None:
    assert sampling_known("anthropic", {})
    assert sampling_known("anthropic", {"temperature": random.random()})
    assert not sampling_known("anthropic", {"temperature": None})
    assert sampling_known("local-model", {"temperature": None})
