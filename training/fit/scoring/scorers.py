"""From token groups to the signals an objective reads, whatever the layout and the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch.nn import functional

from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.scoring.backbone import IMPLEMENTATIONS, Attention, Backbone, Precision
from training.fit.scoring.policy import PolicyScorer
from training.fit.scoring.reward import CausalRewardScorer, EncoderRewardScorer, is_causal
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
    if layout == "plain":
        return wrap(Backbone(model, "plain", precision))
    for attention in _attentions(model):
        if shared_is_exact(model, kind, len(tokenizer), attention):
            return wrap(Backbone(model, "shared", precision, attention))
    return wrap(Backbone(model, "plain" if layout == "auto" else "shared", precision))


def _attentions(model: Any) -> list[Attention]:
    """Ways to the shared layout, the fastest first."""
    own = model.config._attn_implementation
    found: list[Attention] = ["dense"]
    if own in ("sdpa", *IMPLEMENTATIONS.values()):
        found.insert(0, "blocks")
    if model.device.type == "cuda" and getattr(model, "_supports_flex_attn", False):
        found.insert(0, "flex")
    return found


@torch.no_grad()
def shared_is_exact(model: Any, kind: str, vocabulary: int, attention: Attention = "dense") -> bool:
    """Whether packed, prefix-shared rows give what the model itself says of plain rows.

    The model keeps the implementation of attention that was found exact, else its own.
    """
    groups = _probe_groups(vocabulary, model.config.pad_token_id)
    training, own = model.training, model.config._attn_implementation
    wrap = PolicyScorer if kind == "policy" else CausalRewardScorer
    model.eval()
    exact = False
    try:
        theirs = torch.tensor([_plain_signal(model, kind, ids, n) for ids, n in _flat(groups)])
        scorer = wrap(Backbone(model, attention=attention))
        if isinstance(scorer, PolicyScorer):
            found = scorer.signals(groups).logp
        else:
            found = scorer.outputs(groups)[:, 0]
        assert found is not None
        difference = (found.double().cpu() - theirs.double()).abs().max()
        exact = bool(difference < PROBE_TOLERANCE * max(1.0, float(theirs.abs().max())))
    except (RefusalError, RuntimeError, TypeError, ValueError, AttributeError):
        exact = False
    finally:
        model.train(training)
        if not exact and model.config._attn_implementation != own:
            model.set_attn_implementation(own)
    return exact


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
