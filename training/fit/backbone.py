"""A causal backbone over packed rows: layout, masks and precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from training.batching.packing import Packed, additive, allowed, pack_plain, pack_shared
from training.batching.tokenise import TokenGroup
from training.errors import RefusalError

Layout = Literal["shared", "plain"]
Precision = Literal["fp32", "bf16"]


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


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """bfloat16 arithmetic on float32 weights, or nothing."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
