"""Packed, prefix-shared rows give what the model itself says of plain sequences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from training.batching.flex import MULTIPLE, block_mask, mask_rule
from training.batching.packing import PADDING, allowed, pack_plain, pack_shared
from training.batching.tokenise import TokenGroup
from training.fit.reference.cache import ReferenceCache, check_step_zero, fill
from training.fit.scoring import policy as policy_scorer
from training.fit.scoring.backbone import Attention, Backbone
from training.fit.scoring.picked import picked
from training.fit.scoring.policy import PolicyScorer
from training.fit.scoring.reward import CausalRewardScorer, EncoderRewardScorer
from training.fit.scoring.scorers import make_scorer, shared_is_exact
from training.objectives.core import Signals, comparisons, total_loss
from training.objectives.objective import Objective
from training.objectives.preference import Preference
from training.objectives.presets import PRESETS, resolve

from .tiny import CAUSAL, VOCABULARY, bert_model, causal_model, groups

TOLERANCE = 1e-4
# Attention with soft-capped scores has no blocks.
WAYS = [(name, "dense") for name in CAUSAL] + [(n, "blocks") for n in CAUSAL if n != "gemma2"]


def sequences(members: list[TokenGroup]) -> list[tuple[list[int], int]]:
    return [([*g.prompt, *c], len(g.prompt)) for g in members for c in g.completions]


def padded(members: list[TokenGroup]) -> tuple[Tensor, Tensor]:
    """Right-padded ids and mask, one row per completion."""
    rows = [ids for ids, _ in sequences(members)]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def plain_logps(model: Any, members: list[TokenGroup]) -> Tensor:
    """Sums of completion log-probabilities through the model's own padded forward."""
    ids, mask = padded(members)
    logps = functional.log_softmax(model(input_ids=ids, attention_mask=mask).logits, dim=-1)
    sums = []
    for k, (row, prompt) in enumerate(sequences(members)):
        targets = torch.tensor(row[prompt:])
        steps = logps[k, prompt - 1 : len(row) - 1]
        sums.append(steps.gather(1, targets[:, None]).sum())
    return torch.stack(sums)


def gradients(model: Any, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    assert found
    return found


def assert_same_gradients(model: Any, expected: Tensor, *others: Tensor) -> None:
    right = gradients(model, expected)
    for loss in others:
        assert torch.allclose(loss, expected.to(loss.dtype), atol=TOLERANCE)
        found = gradients(model, loss)
        assert found.keys() == right.keys()
        for name, value in found.items():
            assert torch.allclose(value, right[name], atol=TOLERANCE, rtol=1e-3), name


@pytest.mark.parametrize(("architecture", "attention"), WAYS)
def test_policy_equals_padded_forward_and_gradients(
    architecture: str, attention: Attention
) -> None:
    model, members = causal_model(architecture), groups()
    found = PolicyScorer(Backbone(model, attention=attention)).signals(members)
    assert found.logp is not None
    plain = plain_logps(model, members)
    assert torch.allclose(found.logp, plain.double(), atol=TOLERANCE)
    weights = torch.linspace(-1, 1, len(plain))
    assert_same_gradients(model, (found.logp * weights).sum(), (plain * weights).sum())


@pytest.mark.parametrize(("architecture", "attention"), WAYS)
def test_reward_equals_padded_forward_and_gradients(
    architecture: str, attention: Attention
) -> None:
    model, members = causal_model(architecture, "reward"), groups()
    found = CausalRewardScorer(Backbone(model, attention=attention)).signals(members)
    assert found.reward is not None
    ids, mask = padded(members)
    plain = model(input_ids=ids, attention_mask=mask).logits[:, 0]
    weights = torch.linspace(-1, 1, len(plain))
    assert_same_gradients(model, (found.reward * weights).sum(), (plain * weights).sum())


def test_encoder_equals_one_sequence_at_a_time() -> None:
    model, members = bert_model(), groups()
    found = EncoderRewardScorer(model, pad=0, typed=True).signals(members).reward
    assert found is not None
    alone = []
    for ids, prompt in sequences(members):
        types = torch.tensor([[0] * prompt + [1] * (len(ids) - prompt)])
        alone.append(model(input_ids=torch.tensor([ids]), token_type_ids=types).logits[0, 0])
    plain = torch.stack(alone)
    weights = torch.linspace(-1, 1, len(plain))
    assert_same_gradients(model, (found * weights).sum(), (plain * weights).sum())


# KTO's other completions go through the same scorer; tests of objectives give it them.
ALONE = [n for n, o in PRESETS.items() if o.kind == "reward" or "mismatched" not in o.reads]


@pytest.mark.parametrize("name", ALONE)
def test_every_objective_has_the_same_loss_and_gradients_in_all_layouts(name: str) -> None:
    objective = PRESETS[name]
    model, members = causal_model("llama", objective.kind), groups((2, 4, 2))
    labels = comparisons([group.preference for group in members], objective)
    losses = []
    for backbone in (
        Backbone(model, "plain"),
        Backbone(model, attention="dense"),
        Backbone(model, attention="blocks"),
    ):
        if objective.kind == "policy":
            signals = _as_read(PolicyScorer(backbone), objective, members)
        else:
            signals = CausalRewardScorer(backbone).signals(members)
        losses.append(total_loss(signals, labels, objective))
    assert_same_gradients(model, *losses)


def _as_read(scorer: PolicyScorer, objective: Objective, members: list[TokenGroup]) -> Signals:
    """What the objective reads, beside a reference that differs."""
    scorer.reads = objective.reads
    own = scorer.backbone
    scorer.reference = Backbone(causal_model("qwen2"), own.layout, attention=own.attention)
    signals = scorer.signals(members)
    assert signals.logp is not None
    reference = signals.logp.detach() - torch.linspace(-1, 1, len(signals.logp))
    tokens = None
    if signals.token_logp is not None:
        tokens = signals.token_logp.detach() + 0.1
    return replace(signals, reference_logp=reference, reference_token_logp=tokens)


class _Sized:
    """As much of a tokenizer as choosing a layout needs."""

    pad_token_id = 0

    def __len__(self) -> int:
        return VOCABULARY


@pytest.mark.parametrize("attention", ["dense", "blocks"])
@pytest.mark.parametrize("count", range(2, 10))
def test_any_number_of_completions(count: int, attention: Attention) -> None:
    model, members = causal_model("qwen2"), groups((count, count), seed=count)
    found = PolicyScorer(Backbone(model, attention=attention)).signals(members).logp
    assert found is not None
    assert torch.allclose(found, plain_logps(model, members).double(), atol=TOLERANCE)


def test_completions_and_groups_cannot_see_each_other() -> None:
    first = TokenGroup((5, 6), ((7, 8), (9,)), Preference((1.0, 0.0)))
    second = TokenGroup((10,), ((11,), (12, 13)), Preference((1.0, 0.0)))
    packed = pack_shared([first, second], row_tokens=32)
    assert packed.input_ids.tolist() == [[5, 6, 7, 8, 9, 10, 11, 12, 13]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 2, 0, 1, 1, 2]]
    assert packed.source.tolist() == [1, 2, 1, 5, 5, 7]
    assert packed.target.tolist() == [7, 8, 9, 11, 12, 13]
    assert packed.last.tolist() == [3, 4, 6, 8]
    seen = [row.nonzero()[:, 0].tolist() for row in allowed(packed)[0, 0]]
    prompt = [[0], [0, 1]]
    answers = [[0, 1, 2], [0, 1, 2, 3], [0, 1, 4]]
    assert seen == [*prompt, *answers, [5], [5, 6], [5, 7], [5, 7, 8]]


OWN = [
    # Alike at first, a prompt that is the beginning of another, and nothing alike.
    TokenGroup((5, 6), ((7, 8, 9), (10, 11, 12, 13)), Preference((1.0, 0.0)), skips=(2, 1)),
    TokenGroup((5, 6, 7), ((8, 9), (10, 11, 12)), Preference((1.0, 0.0)), skips=(0, 2)),
    TokenGroup((), ((7, 8, 9, 4), (10, 11)), Preference((1.0, 0.0)), skips=(3, 1)),
]


@pytest.mark.parametrize("members", [OWN, OWN[2:]], ids=["mixed", "nothing alike"])
@pytest.mark.parametrize("attention", ["dense", "blocks", "plain"])
@pytest.mark.parametrize("kind", ["policy", "reward"])
def test_prompts_of_their_own_equal_plain_sequences(
    kind: str, attention: Any, members: list[TokenGroup]
) -> None:
    model = causal_model("llama", kind)
    # The same completions, each with its whole prompt in front.
    alone = [
        TokenGroup((*g.prompt, *c[:skip]), (c[skip:],), Preference((1.0,)))
        for g in members
        for c, skip in zip(g.completions, g.skipped, strict=True)
    ]
    wrap = PolicyScorer if kind == "policy" else CausalRewardScorer
    expected = wrap(Backbone(model, "plain")).signals(alone)
    plain = attention == "plain"
    backbone = Backbone(model, "plain") if plain else Backbone(model, attention=attention)
    found = wrap(backbone).signals(members)
    assert torch.equal(found.tokens, expected.tokens)
    ours, theirs = (s.logp if kind == "policy" else s.reward for s in (found, expected))
    assert ours is not None
    assert theirs is not None
    weights = torch.linspace(-1, 1, len(theirs))
    assert_same_gradients(model, (ours * weights).sum(), (theirs * weights).sum())


def test_packing_needs_fewer_tokens_than_repeating_the_prompt() -> None:
    members = groups((2, 5, 9))
    shared, plain = pack_shared(members), pack_plain(members)
    assert (shared.branch != PADDING).sum() == sum(group.shared_tokens for group in members)
    assert shared.input_ids.numel() < plain.input_ids.numel()


@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_chunked_head_equals_the_whole(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, members = causal_model(architecture), groups()
    whole = PolicyScorer(Backbone(model)).signals(members).logp
    assert whole is not None
    expected = gradients(model, whole.sum())
    monkeypatch.setattr(policy_scorer, "KEPT_LOGITS", 5 * VOCABULARY)
    monkeypatch.setattr(policy_scorer, "CHUNK_LOGITS", 5 * VOCABULARY)
    chunked = PolicyScorer(Backbone(model)).signals(members).logp
    assert chunked is not None
    assert torch.allclose(chunked, whole, atol=1e-6)
    for name, value in gradients(model, chunked.sum()).items():
        assert torch.allclose(value, expected[name], atol=1e-6), name


def test_picked_log_probabilities_and_their_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    # Slices of two rows, of which the last has one.
    monkeypatch.setattr("training.fit.scoring.picked.SLICE", 2 * VOCABULARY)
    torch.manual_seed(0)
    logits = torch.randn(7, VOCABULARY, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(VOCABULARY, (7,))
    expected = torch.log_softmax(logits, 1).gather(1, targets[:, None])[:, 0]
    assert torch.allclose(picked(logits, targets), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda rows: picked(rows, targets), (logits,))


def test_probe_takes_the_shared_layout_where_it_is_exact() -> None:
    assert shared_is_exact(causal_model("gemma3_text"), "policy", VOCABULARY)
    assert shared_is_exact(causal_model("qwen3", "reward"), "reward", VOCABULARY)


def test_probe_falls_back_where_it_is_not() -> None:
    model = causal_model("llama")
    inner = model.base_model.forward
    # A backbone that ignores the mask, as a recurrent one would.
    nothing = {"attention_mask": None, "blocks": ()}
    model.base_model.forward = lambda **inputs: inner(**(inputs | nothing))
    assert not shared_is_exact(model, "policy", VOCABULARY)
    scorer = make_scorer(model, "policy", _Sized(), layout="auto", precision="fp32")
    assert isinstance(scorer, PolicyScorer)
    assert scorer.backbone.layout == "plain"


def test_blocks_are_taken_where_attention_is_plain_and_left_where_it_is_not() -> None:
    for name, expected in (("llama", "blocks"), ("gemma2", "dense")):
        scorer = make_scorer(
            causal_model(name), "policy", _Sized(), layout="auto", precision="fp32"
        )
        assert isinstance(scorer, PolicyScorer)
        assert (scorer.backbone.layout, scorer.backbone.attention) == ("shared", expected)


def test_a_model_in_blocks_still_generates_and_reads_padded_rows() -> None:
    model, members = causal_model("qwen3"), groups()
    ids, mask = padded(members)
    before = model(input_ids=ids, attention_mask=mask).logits
    made = model.generate(ids[:1, :4], max_new_tokens=4, do_sample=False)
    Backbone(model, attention="blocks")
    assert torch.allclose(model(input_ids=ids, attention_mask=mask).logits, before, atol=1e-6)
    assert torch.equal(model.generate(ids[:1, :4], max_new_tokens=4, do_sample=False), made)
    assert "shared_blocks" not in model.config.to_json_string()


@pytest.mark.parametrize("window", [None, 3])
def test_flex_rule_is_the_dense_mask(window: int | None) -> None:
    packed = pack_shared(groups(), row_tokens=64, multiple=MULTIPLE)
    rows, width = packed.input_ids.shape
    assert width % MULTIPLE == 0
    row = torch.arange(rows)[:, None, None]
    query, key = torch.arange(width)[None, :, None], torch.arange(width)[None, None, :]
    found = mask_rule(packed, window)(row, torch.tensor(0), query, key)
    assert torch.equal(found, allowed(packed, window)[:, 0])
    assert block_mask(packed, window).shape == (rows, 1, width, width)


@pytest.mark.parametrize("attention", ["dense", "blocks"])
def test_bfloat16_stays_near_float32(attention: Attention) -> None:
    model, members = causal_model("llama"), groups()
    exact = PolicyScorer(Backbone(model)).signals(members).logp
    backbone = Backbone(model, precision="bf16", attention=attention)
    rounded = PolicyScorer(backbone).signals(members).logp
    assert exact is not None
    assert rounded is not None
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, rtol=2e-2)


def test_padding_token_inside_a_completion_changes_nothing() -> None:
    model = causal_model("llama", "reward")
    members = [TokenGroup((5, 6), ((0, 7, 0), (0,)), Preference((1.0, 0.0)))]
    found = CausalRewardScorer(Backbone(model)).signals(members).reward
    assert found is not None
    states = model.base_model(input_ids=torch.tensor([[5, 6, 0, 7, 0]])).last_hidden_state
    assert torch.allclose(found[:1], model.score(states[0, -1]), atol=TOLERANCE)


def test_identical_completions_have_equal_signals_and_no_gradient() -> None:
    model = causal_model("llama")
    members = [TokenGroup((5, 6, 7), ((8, 9), (8, 9)), Preference((1.0, 0.0)))]
    found = PolicyScorer(Backbone(model)).signals(members).logp
    assert found is not None
    assert torch.equal(found[0], found[1])
    for name, value in gradients(model, found[0] - found[1]).items():
        assert value.abs().max() < 1e-6, name


def test_reference_is_computed_once_and_is_zero_at_step_zero(tmp_path: Any) -> None:
    scorer = PolicyScorer(Backbone(causal_model("llama")))
    members = groups((2, 2, 3))
    cache = ReferenceCache.open(tmp_path, "revision", "fp32")
    assert fill(cache, scorer, members, [[0, 1], [2]], lambda _done: None) == 7
    again = ReferenceCache.open(tmp_path, "revision", "fp32")
    assert fill(again, scorer, members, [[0, 1, 2]], lambda _done: None) == 0
    assert again.values == cache.values
    assert check_step_zero(scorer, cache, members[:2], "fp32") == 0.0


def test_foreign_reference_is_refused(tmp_path: Any) -> None:
    members = groups((2, 2))
    cache = ReferenceCache.open(tmp_path, "revision", "fp32")
    fill(cache, PolicyScorer(Backbone(causal_model("qwen2"))), members, [[0, 1]], lambda _: None)
    with pytest.raises(Exception, match="differs from its reference"):
        check_step_zero(PolicyScorer(Backbone(causal_model("llama"))), cache, members, "fp32")


def test_listwise_objective_trains_on_nine_completions() -> None:
    model, members = causal_model("llama", "reward"), groups((9,))
    objective = resolve("reward", "plackett_luce")
    labels = comparisons([group.preference for group in members], objective)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        signals = CausalRewardScorer(Backbone(model)).signals(members)
        loss = total_loss(signals, labels, objective)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
