"""Tokens, arithmetic and its share of the peak, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from training.batching.tokenise import TokenGroup
from training.fit.throughput import Size, mean_context, throughput
from training.objectives.preference import Preference

from .tiny import bert_model, causal_model

GROUPS = [TokenGroup((1,) * 6, ((2,) * 2, (3,) * 4), Preference((1.0, 0.0)))]


def test_arithmetic_counts_unique_tokens_once() -> None:
    size = Size(parameters=1000, layers=2, hidden=8)
    assert mean_context(GROUPS) == 9.0
    assert size.flops_per_token(9.0) == 6 * 1000 + 12 * 2 * 8 * 9
    assert size.flops_per_token(9.0, lora=True) == 4 * 1000 + 12 * 2 * 8 * 9
    found = throughput(size, GROUPS, tokens=1200, seconds=10.0, lora=False)
    assert found["tokens_per_second"] == 120.0
    assert found["prompts_per_second"] == 10.0
    assert found["pairs_per_second"] == 10.0
    assert "mfu" not in found


def test_a_list_counts_the_pairs_that_tie_it_together() -> None:
    size = Size(parameters=1000, layers=2, hidden=8)
    lists = [TokenGroup((1,) * 6, ((2,) * 2,) * 3, Preference((2.0, 1.0, 0.0)))]
    found = throughput(size, lists, tokens=1200, seconds=10.0, lora=False)
    assert found["pairs_per_second"] == 2 * found["prompts_per_second"] == 20.0


def test_share_of_the_peak_where_the_device_is_known() -> None:
    size = Size(parameters=10**9, layers=16, hidden=2048)
    found = throughput(size, GROUPS, tokens=10**6, seconds=10.0, lora=False, device="NVIDIA H200")
    assert found["mfu"] == pytest.approx(1e5 * (6e9 + 12 * 16 * 2048 * 9) / 989e12)


@pytest.mark.parametrize("tied", [True, False])
def test_input_embeddings_are_looked_up_and_not_multiplied(tied: bool) -> None:
    model = causal_model("llama", tie_word_embeddings=tied)
    looked_up = model.get_input_embeddings().weight.numel()
    parameters = sum(p.numel() for p in model.parameters())
    assert Size.of(model).parameters == parameters - (0 if tied else looked_up)


def test_reward_models_and_encoders_have_a_size() -> None:
    for model in (causal_model("qwen3", "reward"), bert_model()):
        assert 0 < Size.of(model).parameters < sum(p.numel() for p in model.parameters())
