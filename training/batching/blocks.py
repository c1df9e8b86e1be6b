"""Attention of prefix-shared tokens in two dense pieces: prompts, and answers over prompts.

One row of all groups has no padding for the linear layers. Attention alone needs rectangles: the
prompts of several groups attend to themselves, their answers to their prompt and to themselves.
Nothing is computed between groups or between answers, which a dense mask over packed rows computes
and throws away. Groups of similar lengths make one block, so that little of a rectangle is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

# Padding at most, as a share of the tokens, for which groups go into one block.
WASTE = 0.15
Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """G prompts of up to P tokens and C answers of up to R tokens: N neighbouring tokens of a row.

    Attributes:
        spread: (G * P + C * R,) token at each cell of the two rectangles, 0 on padding.
        real: (G * P + C * R, 1) whether the cell is a token.
        gather: (N,) cell of each token.
        prompt_of: (C,) prompt of each answer.
        prompt_tokens: (G,) tokens of each prompt.
        shape: G, P, C, R.
    """

    spread: Tensor
    real: Tensor
    gather: Tensor
    prompt_of: Tensor
    prompt_tokens: Tensor
    shape: tuple[int, int, int, int]
    _masks: dict[tuple[str, int | None, torch.dtype], Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> Block:
        """The same on another device."""
        return Block(
            self.spread.to(device),
            self.real.to(device),
            self.gather.to(device),
            self.prompt_of.to(device),
            self.prompt_tokens.to(device),
            self.shape,
        )

    def prompt_mask(self, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """(1, 1, P, P) additive mask of the prompts; None where causality says it all."""
        prompt = self.shape[1]
        if window is None or window >= prompt:
            return None
        places = torch.arange(prompt, device=self.gather.device)
        distance = places[:, None] - places[None, :]
        seen = (distance >= 0) & (distance < window)
        return self._mask("prompt", window, dtype, seen[None, None])

    def answer_mask(self, window: int | None, dtype: torch.dtype) -> Tensor:
        """(C, 1, R, P + R) additive mask: an answer's tokens over its prompt and itself.

        Cells of padding are asked for nothing; they see at least themselves, so that no row of
        the softmax is empty.
        """
        key = ("answer", window, dtype)
        if key in self._masks:
            return self._masks[key]
        _, prompt, _, answer = self.shape
        device = self.gather.device
        tokens = self.prompt_tokens[self.prompt_of][:, None, None]
        queries = tokens + torch.arange(answer, device=device)[None, :, None]
        on_prompt = torch.arange(prompt, device=device)[None, None, :]
        on_answer = tokens + torch.arange(answer, device=device)[None, None, :]
        seen_prompt = (on_prompt < tokens) & (queries >= on_prompt)
        seen_answer = queries >= on_answer
        if window is not None:
            seen_prompt = seen_prompt & (queries - on_prompt < window)
            seen_answer = seen_answer & (queries - on_answer < window)
        return self._mask(*key, torch.cat([seen_prompt, seen_answer], dim=2)[:, None])

    def _mask(self, what: str, window: int | None, dtype: torch.dtype, seen: Tensor) -> Tensor:
        mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        self._masks[what, window, dtype] = mask.masked_fill_(~seen, torch.finfo(dtype).min)
        return self._masks[what, window, dtype]


def alike(sizes: Sequence[Sizes]) -> list[list[int]]:
    """Numbers of groups whose rectangles together are mostly tokens, group after group.

    Args:
        sizes: of each group, the tokens of its prompt and then of its answers.
    """
    order = sorted(range(len(sizes)), key=lambda k: (sizes[k][0], max(sizes[k][1:]), k))
    found: list[list[int]] = []
    for number in order:
        if found and _waste([sizes[k] for k in [*found[-1], number]]) <= WASTE:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _waste(sizes: Sequence[Sizes]) -> float:
    """Cells of padding per token."""
    prompts = len(sizes) * max(size[0] for size in sizes)
    answers = sum(len(size) - 1 for size in sizes) * max(max(size[1:]) for size in sizes)
    return (prompts + answers) / sum(map(sum, sizes)) - 1


def block_of(sizes: Sequence[Sizes]) -> Block:
    """The rectangles of groups that lie one behind the other, each prompt before its answers."""
    lengths = torch.tensor([length for size in sizes for length in size])
    starts = lengths.cumsum(0) - lengths
    is_prompt = torch.tensor([k == 0 for size in sizes for k in range(len(size))])
    cells = []
    for chosen in (is_prompt, ~is_prompt):
        counts = lengths[chosen]
        inside = torch.arange(int(counts.max()))[None, :]
        cells.append(torch.where(inside < counts[:, None], starts[chosen][:, None] + inside, -1))
    spread = torch.cat([part.flatten() for part in cells])
    places = (spread >= 0).nonzero()[:, 0]
    gather = torch.empty(len(places), dtype=torch.long)
    gather[spread[places]] = places
    return Block(
        spread=spread.clamp(min=0),
        real=(spread >= 0)[:, None],
        gather=gather,
        prompt_of=torch.tensor([k for k, size in enumerate(sizes) for _ in size[1:]]),
        prompt_tokens=lengths[is_prompt],
        shape=(*cells[0].shape, *cells[1].shape),
    )
