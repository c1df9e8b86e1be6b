"""From token groups to the signals an objective reads, whatever the layout and the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch.nn import functional

from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.backbone import Backbone, Precision
from training.fit.policy_scorer import PolicyScorer
from training.fit.reward_scorer import CausalRewardScorer, EncoderRewardScorer, is_causal
from training.objectives.core import Signals
from training.objectives.preference import Preference

PROBE_TOLERANCE = 1e-3


class Scorer(Protocol):
    """A model with the way its groups become signals."""

    @property
    def model(self) -> Any:
        """The model whose parameters are trained."""

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """Signals of the groups' completions, numbered group after group."""

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""


def make_scorer(
    model: Any, kind: str, tokenizer: Any, *, layout: str, precision: Precision
) -> Scorer:
    """The scorer of a model; layout "auto" takes the shared layout where it is exact."""
    if kind == "reward" and not is_causal(model):
        typed = getattr(model.config, "type_vocab_size", 0) > 1
        return EncoderRewardScorer(model, tokenizer.pad_token_id or 0, typed, precision)
    wrap = PolicyScorer if kind == "policy" else CausalRewardScorer
    scorer = wrap(Backbone(model, "plain" if layout == "plain" else "shared", precision))
    if layout == "auto" and not shared_is_exact(model, kind, len(tokenizer)):
        scorer.backbone.layout = "plain"
    return scorer


@torch.no_grad()
def shared_is_exact(model: Any, kind: str, vocabulary: int) -> bool:
    """Whether packed, prefix-shared rows give what the model itself says of plain rows."""
    groups = _probe_groups(vocabulary, model.config.pad_token_id)
    training = model.training
    model.eval()
    try:
        scorer = (PolicyScorer if kind == "policy" else CausalRewardScorer)(Backbone(model))
        ours = scorer.signals(groups)
        theirs = torch.tensor([_plain_signal(model, kind, ids, n) for ids, n in _flat(groups)])
    except (RefusalError, RuntimeError, TypeError, ValueError, AttributeError):
        return False
    finally:
        model.train(training)
    found = ours.logp if kind == "policy" else ours.reward
    assert found is not None
    difference = (found.double().cpu() - theirs.double()).abs().max()
    return bool(difference < PROBE_TOLERANCE * max(1.0, float(theirs.abs().max())))


def _probe_groups(vocabulary: int, pad: int | None) -> list[TokenGroup]:
    tokens = [token for k in range(30) if (token := (7 * k + 3) % vocabulary) != pad]
    unlabelled = Preference((0.0, 0.0))
    return [
        TokenGroup(tuple(tokens[:9]), (tuple(tokens[9:14]), tuple(tokens[14:16])), unlabelled),
        TokenGroup(tuple(tokens[16:18]), (tuple(tokens[18:19]), tuple(tokens[19:])), unlabelled),
    ]


def _flat(groups: Sequence[TokenGroup]) -> list[tuple[list[int], int]]:
    return [([*g.prompt, *c], len(g.prompt)) for g in groups for c in g.completions]


def _plain_signal(model: Any, kind: str, ids: list[int], prompt: int) -> float:
    """What the model's own forward says of one unpadded sequence."""
    row = torch.tensor([ids], device=model.device)
    logits = model(input_ids=row, use_cache=False).logits
    if kind == "reward":
        return float(logits[0, 0])
    logps = functional.log_softmax(logits[0, prompt - 1 : -1].float(), dim=1)
    return float(logps.gather(1, row[0, prompt:, None]).sum())
