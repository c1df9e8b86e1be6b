"""Attention in blocks as an implementation that transformers models can be switched to.

A model that is switched to `BLOCKS` computes what "sdpa" computes, unless its forward is given
`blocks`: then its row is cut into prompts and answers, see `training.batching.blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from training.batching.blocks import Block

BLOCKS = "shared_blocks"


class _Move(torch.autograd.Function):
    """Rows by index, where the way back is rows by index as well: no scattered sums."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, there: Tensor, back: Tensor, real: Tensor | None) -> Tensor:
        """`rows[there]`; `real` marks the rows whose gradient counts, None means all."""
        ctx.save_for_backward(back, real)
        return rows.index_select(0, there)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """`gradient[back]`, zero for rows that are padding."""
        back, real = ctx.saved_tensors
        found = gradients[0].index_select(0, back)
        return (found if real is None else found * real, None, None, None)


def attend(  # noqa: PLR0917 - transformers calls it so
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    blocks: Sequence[Block] = (),
    **more: Any,
) -> tuple[Tensor, None]:
    """Attention of one layer: query (1, H, N, D), key and value (1, H / n, N, D).

    Returns:
        (1, N, H, D), as transformers wants it.
    """
    if not blocks:
        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return found
    sizes = [len(block.gather) for block in blocks]
    parts = zip(
        blocks, *(torch.split(part, sizes, dim=2) for part in (query, key, value)), strict=True
    )
    window, options = more.get("sliding_window"), {"dropout_p": dropout, "scale": scaling}
    rows = [_attend_block(block, three, window, options) for block, *three in parts]
    return torch.cat(rows)[None], None


def _attend_block(
    block: Block, parts: Sequence[Tensor], window: int | None, options: Any
) -> Tensor:
    """(N, H, D) of the N tokens of one block, from their queries, keys and values."""
    query, key, value = parts
    times = query.shape[1] // key.shape[1]
    (q_prompt, q_answer), (k_prompt, k_answer), (v_prompt, v_answer) = (
        _spread(part, block, copies) for part, copies in ((query, 1), (key, times), (value, times))
    )
    prompts = q_prompt
    if q_prompt.shape[2]:
        mask = block.prompt_mask(window, query.dtype)
        prompts = scaled_dot_product_attention(
            q_prompt, k_prompt, v_prompt, attn_mask=mask, is_causal=mask is None, **options
        )
    keys, values = (
        torch.cat([part.index_select(0, block.prompt_of), own], dim=2)
        for part, own in ((k_prompt, k_answer), (v_prompt, v_answer))
    )
    mask = block.answer_mask(window, query.dtype)
    answers = scaled_dot_product_attention(q_answer, keys, values, attn_mask=mask, **options)
    return _gather(prompts, answers, block)


def _spread(part: Tensor, block: Block, copies: int) -> tuple[Tensor, Tensor]:
    """(1, H, N, D) as prompts (G, H * copies, P, D) and answers (C, H * copies, R, D)."""
    groups, prompt, count, answer = block.shape
    rows = part[0].transpose(0, 1)
    moved = (rows.reshape(len(rows), -1), block.spread, block.gather, None)
    cells: Tensor = _Move.apply(*moved)  # type: ignore[no-untyped-call]
    if copies > 1:
        shape = (len(cells), part.shape[1], 1, part.shape[3])
        cells = cells.view(shape).expand(-1, -1, copies, -1).reshape(len(cells), -1)
    heads, width = part.shape[1] * copies, part.shape[3]
    first, second = torch.split(cells, [groups * prompt, count * answer])
    return (
        first.view(groups, prompt, heads, width).transpose(1, 2),
        second.view(count, answer, heads, width).transpose(1, 2),
    )


def _gather(prompts: Tensor, answers: Tensor, block: Block) -> Tensor:
    """(N, H, D) from the two rectangles."""
    heads, width = prompts.shape[1], prompts.shape[3]
    cells = [part.transpose(1, 2).reshape(-1, heads * width) for part in (prompts, answers)]
    moved = (torch.cat(cells), block.gather, block.spread, block.real)
    rows: Tensor = _Move.apply(*moved)  # type: ignore[no-untyped-call]
    return rows.view(-1, heads, width)


AttentionInterface.register(BLOCKS, attend)
AttentionMaskInterface.register(BLOCKS, sdpa_mask)
