"""What a reward model says of completions, for causal backbones and for encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.batching.packing import pack_plain
from training.batching.tokenise import TokenGroup
from training.fit.backbone import Backbone, Precision, autocast
from training.fit.models import head_of
from training.objectives.core import Signals


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


def is_causal(model: Any) -> bool:
    """Whether a reward model reads left to right, so that its last token is the pooled one."""
    if getattr(model.config.get_text_config(), "use_bidirectional_attention", False):
        return False
    return hasattr(model, "score")
