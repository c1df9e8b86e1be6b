"""A causal backbone over packed rows: layout, masks and precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from training.batching.flex import MULTIPLE, block_mask
from training.batching.packing import (
    Packed,
    additive,
    allowed,
    pack_blocks,
    pack_plain,
    pack_shared,
)
from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.scoring.attention import BLOCKS

Layout = Literal["shared", "plain"]
Attention = Literal["flex", "blocks", "dense"]
IMPLEMENTATIONS = {"flex": "flex_attention", "blocks": BLOCKS}
Precision = Literal["fp32", "bf16"]


@dataclass(slots=True)
class Backbone:
    """A causal backbone that reads packed rows.

    Attributes:
        layout: "shared" packs each prompt once, "plain" repeats the prompt in padded rows under
            the model's own mask.
        attention: how the shared layout keeps groups and answers apart: by FlexAttention's kernel
            on a GPU ("flex"), in "blocks", see `attention` beside this module, or under a "dense"
            mask, which any model can take.
    """

    model: Any
    layout: Layout = "shared"
    precision: Precision = "fp32"
    attention: Attention = "dense"

    def __post_init__(self) -> None:
        if self.layout == "shared" and self.attention != "dense":
            self.model.set_attn_implementation(IMPLEMENTATIONS[self.attention])

    def pack(self, groups: Sequence[TokenGroup]) -> Packed:
        """Rows on the model's device."""
        if self.layout == "plain":
            packed = pack_plain(groups)
        elif self.attention == "blocks":
            packed = pack_blocks(groups)
        elif self.attention == "flex":
            packed = pack_shared(groups, sum(g.shared_tokens for g in groups), MULTIPLE)
        else:
            packed = pack_shared(groups)
        return packed.to(self.model.device)

    def cost(self, group: TokenGroup) -> int:
        """Tokens of the group in this layout (a plain row is as long as its longest)."""
        if self.layout == "shared":
            return group.shared_tokens
        return len(group.completions) * group.longest

    def hidden(self, packed: Packed) -> Tensor:
        """Last hidden states, flat: (B * L, H)."""
        more: dict[str, Any] = {}
        if packed.blocks:
            # Four dimensions keep transformers from making a mask; the blocks have their own.
            mask: Any = torch.zeros(1, 1, 1, 1, device=self.model.device)
            more["blocks"] = packed.blocks
        else:
            mask = self._mask(packed) if packed.shared else packed.padding_mask
        with autocast(self.model.device, self.precision):
            output = self.model.base_model(
                input_ids=packed.input_ids,
                attention_mask=mask,
                position_ids=packed.positions,
                use_cache=False,
                **more,
            )
        states: Tensor = output.last_hidden_state
        return states.flatten(0, 1)

    def _mask(self, packed: Packed) -> Any:
        """A mask that transformers takes as it is, or one for each kind of layer.

        Raises:
            RefusalError: a kind of layer for which no mask expresses the shared layout.
        """
        settings = self.model.config.get_text_config()
        window = getattr(settings, "sliding_window", None)
        kinds = set(getattr(settings, "layer_types", None) or ())
        if not kinds:
            return self._one_mask(packed, window)
        if kinds == {"full_attention"}:
            return self._one_mask(packed, None)
        if not kinds <= {"full_attention", "sliding_attention"}:
            names = ", ".join(sorted(kinds))
            raise RefusalError(
                f"The shared layout cannot serve layers of the kinds {names}.",
                'Set `layout` to "plain".',
            )
        return {
            "full_attention": self._one_mask(packed, None),
            "sliding_attention": self._one_mask(packed, window),
        }

    def _one_mask(self, packed: Packed, window: int | None) -> Any:
        if self.attention == "flex":
            return block_mask(packed, window)
        dtype = torch.bfloat16 if self.precision == "bf16" else self.model.dtype
        return additive(allowed(packed, window), dtype)


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """bfloat16 arithmetic on float32 weights, or nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
