"""log p of given tokens from logits, with little memory traffic: exact, forward and backward.

Autograd's own way through `logsumexp` and `gather` writes several matrices of the logits' size;
this way writes one, in slices that stay in the cache.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Numbers of one slice: 4 MB in float32.
SLICE = 2**20


class _Picked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        total = torch.cat([part.logsumexp(1) for part in torch.split(logits, _rows(logits))])
        ctx.save_for_backward(logits, targets, total)
        return logits.gather(1, targets[:, None])[:, 0] - total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """d log p(target) / d logits = 1 at the target - softmax."""
        logits, targets, total = ctx.saved_tensors
        (above,) = gradients
        found, size = torch.empty_like(logits), _rows(logits)
        parts = (torch.split(t, size) for t in (found, logits, total[:, None], above[:, None]))
        for out, part, sums, factor in zip(*parts, strict=True):
            torch.sub(part, sums, out=out).exp_().mul_(factor).neg_()
        rows = torch.arange(len(targets), device=targets.device)
        found[rows, targets] += above
        return found, None


def _rows(logits: Tensor) -> int:
    """Rows of a slice; a GPU takes all at once."""
    return len(logits) if logits.is_cuda else max(SLICE // logits.shape[1], 1)


def picked(logits: Tensor, targets: Tensor) -> Tensor:
    """log p of one token for each row: (T,).

    Args:
        logits: (T, V).
        targets: (T,) token ids.
    """
    found: Tensor = _Picked.apply(logits, targets)  # type: ignore[no-untyped-call]
    return found
