"""The shared layout as a FlexAttention mask: a rule on indices instead of a matrix.

The kernel skips blocks of 128 by 128 tokens in which the rule allows nothing, so one long row of
many groups costs what its groups cost.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from training.batching.packing import PROMPT, Packed

# Rows are as long as a multiple of the kernel's block, so that few lengths are ever compiled.
MULTIPLE = 128
Rule = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def mask_rule(packed: Packed, window: int | None = None) -> Rule:
    """`rule(row, head, query, key)`: what `packing.allowed` says, for indices of tokens."""
    group, branch, positions = packed.group, packed.branch, packed.positions

    def rule(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same_group = group[row, query] == group[row, key]
        asked = branch[row, key]
        same_branch = (asked == PROMPT) | (asked == branch[row, query])
        distance = positions[row, query] - positions[row, key]
        seen = same_group & same_branch & (distance >= 0)
        return seen if window is None else seen & (distance < window)

    return rule


def block_mask(packed: Packed, window: int | None = None) -> BlockMask:
    """The rule over whole rows, with the blocks that hold nothing left out."""
    rows, tokens = packed.input_ids.shape
    device = packed.input_ids.device
    return create_block_mask(
        mask_rule(packed, window),
        B=rows,
        H=None,
        Q_LEN=tokens,
        KV_LEN=tokens,
        device=device,
        # Compiled, the matrix of all pairs of tokens is never written.
        _compile=device.type == "cuda",
    )
