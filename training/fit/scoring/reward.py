"""What a reward model says of completions, for causal backbones and for encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.batching.packing import Packed, pack_plain
from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.heads.modules import attached, context_of
from training.fit.models.loading import head_of
from training.fit.scoring.backbone import Backbone, Precision, autocast
from training.objectives.core import Signals


def several_prompts() -> RefusalError:
    """What a gate on the prompt says to completions that answer prompts of their own."""
    return RefusalError(
        "The head's gate reads one prompt, but completions of a row answer prompts of their own.",
        "Set `head.gate` to constant, or leave such rows out.",
    )


@dataclass(slots=True)
class CausalRewardScorer:
    """Rewards read at the last token of each completion of a causal model.

    Attributes:
        annotator: whose rewards: None takes each row's annotator, "" everybody.
    """

    backbone: Backbone
    annotator: str | None = None

    @property
    def model(self) -> Any:
        """The model whose parameters are trained."""
        return self.backbone.model

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""
        return self.backbone.cost(group)

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """`reward` (C,), `tokens` (C,) and what the head says beside them."""
        packed = self.backbone.pack(groups)
        states = self.backbone.hidden(packed)
        outputs = self._linear(packed, states)
        head = attached(self.model)
        if head is None:
            return Signals(tokens=packed.lengths, reward=outputs[:, 0])
        prompts = None
        if head.spec.reads_prompt:
            prompts = states.index_select(0, prompt_ends(packed, groups)).float()
        context = context_of(
            head, groups, packed.lengths, head_of(self.model).weight, self.annotator
        )
        found = head.read(outputs, prompts, context)
        return Signals(tokens=packed.lengths, reward=found.reward, head=found)

    def outputs(self, groups: Sequence[TokenGroup]) -> Tensor:
        """(C, N) outputs of the linear head."""
        packed = self.backbone.pack(groups)
        return self._linear(packed, self.backbone.hidden(packed))

    def _linear(self, packed: Packed, states: Tensor) -> Tensor:
        outputs: Tensor = head_of(self.model)(states.index_select(0, packed.last).float())
        return outputs


def prompt_ends(packed: Packed, groups: Sequence[TokenGroup]) -> Tensor:
    """(G,) flat index of each prompt's last token: the first completion follows it.

    Raises:
        RefusalError: completions answer prompts of their own, so there is no one prompt to read.
    """
    if any(group.skips for group in groups):
        raise several_prompts()
    sizes = torch.tensor([len(group.completions) for group in groups], device=packed.last.device)
    first = sizes.cumsum(0) - sizes
    lengths = torch.tensor([len(group.completions[0]) for group in groups])
    return packed.last[first] - lengths.to(packed.last.device)


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
    annotator: str | None = None

    def __post_init__(self) -> None:
        head = attached(self.model)
        if head is not None and head.spec.reads_prompt:
            raise RefusalError(
                "The head's gate reads the prompt alone, which an encoder never shows.",
                "Choose a causal base, or set `head.gate` to constant.",
            )

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
            outputs = self.model(attention_mask=mask, **inputs).logits.float()
        head = attached(self.model)
        if head is None:
            return Signals(tokens=packed.lengths, reward=outputs[:, 0])
        context = context_of(
            head, groups, packed.lengths, head_of(self.model).weight, self.annotator
        )
        found = head.read(outputs, None, context)
        return Signals(tokens=packed.lengths, reward=found.reward, head=found)


def is_causal(model: Any) -> bool:
    """Whether a reward model reads left to right, so that its last token is the pooled one."""
    if getattr(model.config.get_text_config(), "use_bidirectional_attention", False):
        return False
    return hasattr(model, "score")
