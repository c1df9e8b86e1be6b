"""From token groups to the signals an objective reads, whatever the layout and the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from training.batching.packing import Packed, additive, allowed, pack_plain, pack_shared
from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.models import head_of
from training.objectives.core import Signals
from training.objectives.preference import Preference

Layout = Literal["shared", "plain"]
Precision = Literal["fp32", "bf16"]

# Logits of one chunk of completion tokens: 16 million numbers are 64 MB in float32.
CHUNK_LOGITS = 2**24
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


@dataclass(slots=True)
class Backbone:
    """A causal backbone that reads packed rows.

    Attributes:
        layout: "shared" packs each prompt once under a dense mask, "plain" repeats the prompt
            in padded rows under the model's own mask.
    """

    model: Any
    layout: Layout = "shared"
    precision: Precision = "fp32"

    def pack(self, groups: Sequence[TokenGroup]) -> Packed:
        """Rows on the model's device."""
        packed = pack_shared(groups) if self.layout == "shared" else pack_plain(groups)
        return packed.to(self.model.device)

    def cost(self, group: TokenGroup) -> int:
        """Tokens of the group in this layout (a plain row is as long as its longest)."""
        if self.layout == "shared":
            return group.shared_tokens
        return len(group.completions) * group.longest

    def hidden(self, packed: Packed) -> Tensor:
        """Last hidden states, flat: (B * L, H)."""
        mask = self._mask(packed) if packed.shared else packed.padding_mask
        with autocast(self.model.device, self.precision):
            output = self.model.base_model(
                input_ids=packed.input_ids,
                attention_mask=mask,
                position_ids=packed.positions,
                use_cache=False,
            )
        states: Tensor = output.last_hidden_state
        return states.flatten(0, 1)

    def _mask(self, packed: Packed) -> Tensor | dict[str, Tensor]:
        """A 4-D mask, which transformers takes as it is, or one for each kind of layer.

        Raises:
            RefusalError: a kind of layer for which no mask expresses the shared layout.
        """
        settings = self.model.config.get_text_config()
        dtype = torch.bfloat16 if self.precision == "bf16" else self.model.dtype
        window = getattr(settings, "sliding_window", None)
        kinds = set(getattr(settings, "layer_types", None) or ())
        if not kinds:
            return additive(allowed(packed, window), dtype)
        if kinds == {"full_attention"}:
            return additive(allowed(packed), dtype)
        if not kinds <= {"full_attention", "sliding_attention"}:
            names = ", ".join(sorted(kinds))
            raise RefusalError(
                f"The shared layout cannot serve layers of the kinds {names}.",
                'Set `layout` to "plain".',
            )
        return {
            "full_attention": additive(allowed(packed), dtype),
            "sliding_attention": additive(allowed(packed, window), dtype),
        }


@dataclass(slots=True)
class PolicyScorer:
    """Log-probabilities of completions under a causal language model."""

    backbone: Backbone

    @property
    def model(self) -> Any:
        """The model whose parameters are trained."""
        return self.backbone.model

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""
        return self.backbone.cost(group)

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """`logp` (C,) in nats and `tokens` (C,)."""
        packed = self.backbone.pack(groups)
        states = self.backbone.hidden(packed).index_select(0, packed.source)
        token_logps = self.token_logps(states, packed.target)
        # Sums run in float64: hundreds of float32 terms would lose the fifth decimal.
        sums = torch.zeros(len(packed.lengths), dtype=torch.float64, device=states.device)
        logp = sums.index_add(0, packed.owner, token_logps.double())
        return Signals(tokens=packed.lengths, logp=logp)

    def token_logps(self, states: Tensor, targets: Tensor) -> Tensor:
        """log p(target) for each hidden state, float32, with the head applied chunk by chunk.

        Args:
            states: (T, H) hidden states that predict the targets.
            targets: (T,) token ids.
        """
        weight = self.model.get_output_embeddings().weight
        size = max(CHUNK_LOGITS // weight.shape[0], 1)
        if len(states) <= size:
            return self._chunk(states, targets)
        parts = zip(torch.split(states, size), torch.split(targets, size), strict=True)
        # Recomputing a chunk in the backward pass keeps the logits of one chunk alive at a time.
        return torch.cat([checkpoint(self._chunk, s, t, use_reentrant=False) for s, t in parts])

    def logits(self, states: Tensor) -> Tensor:
        """Next-token logits in float32, soft-capped as the model does it: (T, V)."""
        with autocast(states.device, self.backbone.precision):
            output = self.model.get_output_embeddings()(states)
        logits: Tensor = output.float()
        cap = getattr(self.model.config.get_text_config(), "final_logit_softcapping", None)
        return torch.tanh(logits / cap) * cap if cap else logits

    def _chunk(self, states: Tensor, targets: Tensor) -> Tensor:
        logits = self.logits(states)
        return logits.gather(1, targets[:, None])[:, 0] - torch.logsumexp(logits, dim=1)


@dataclass(slots=True)
class CausalRewardScorer:
    """Rewards read at the last token of each completion of a causal model."""

    backbone: Backbone

    @property
    def model(self) -> Any:
        """The model whose parameters are trained."""
        return self.backbone.model

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""
        return self.backbone.cost(group)

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """`reward` (C,) and `tokens` (C,)."""
        packed = self.backbone.pack(groups)
        states = self.backbone.hidden(packed).index_select(0, packed.last)
        reward = head_of(self.model)(states.float())[:, 0]
        return Signals(tokens=packed.lengths, reward=reward)


@dataclass(slots=True)
class EncoderRewardScorer:
    """Rewards of a bidirectional encoder: padded pairs through the model's own pooling.

    A bidirectional prompt sees its completion, so there is no prompt to share, and each
    architecture pools in its own way; length-sorted padded rows serve all of them exactly.
    """

    model: Any
    pad: int
    typed: bool
    precision: Precision = "fp32"

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""
        return len(group.completions) * group.longest

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """`reward` (C,) and `tokens` (C,)."""
        packed = pack_plain(groups).to(self.model.device)
        mask = packed.padding_mask
        inputs = {"input_ids": packed.input_ids.masked_fill(mask == 0, self.pad)}
        if self.typed:
            inputs["token_type_ids"] = packed.branch.clamp(min=0)
        with autocast(self.model.device, self.precision):
            logits = self.model(attention_mask=mask, **inputs).logits
        return Signals(tokens=packed.lengths, reward=logits[:, 0].float())


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """bfloat16 arithmetic on float32 weights, or nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def is_causal(model: Any) -> bool:
    """Whether a reward model reads left to right, so that its last token is the pooled one."""
    if getattr(model.config.get_text_config(), "use_bidirectional_attention", False):
        return False
    return hasattr(model, "score")


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
