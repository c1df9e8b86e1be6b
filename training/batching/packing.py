"""Groups to rows of tokens: padding-free with a shared prompt, or plain padded sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.batching.blocks import Block, alike, block_of
from training.batching.tokenise import TokenGroup

PROMPT = 0
PADDING = -1


@dataclass(frozen=True, slots=True)
class Packed:
    """B rows of L tokens holding C completions with T completion tokens altogether.

    In a shared row a group is [prompt, completion_1 … completion_K]; every completion's
    positions restart at the prompt's length. Flat indices run over the B * L tokens.

    Attributes:
        input_ids, positions, group, branch: (B, L). `group` numbers the groups of a row from 0,
            `branch` is 0 for the prompt and k for completion k; both are -1 on padding.
        source: (T,) flat index of the token that predicts each completion token.
        target: (T,) the completion token's id.
        owner: (T,) completion it belongs to, numbered group after group.
        last: (C,) flat index of each completion's last token.
        lengths: (C,) completion tokens.
        shared: whether rows need `attention_mask`; a plain row is one sequence with padding on
            the right, which the model's own mask handles.
        blocks: blocks of one row that holds everything, in its order, from `pack_blocks`.
    """

    input_ids: Tensor
    positions: Tensor
    group: Tensor
    branch: Tensor
    source: Tensor
    target: Tensor
    owner: Tensor
    last: Tensor
    lengths: Tensor
    shared: bool
    blocks: tuple[Block, ...] = ()

    @property
    def padding_mask(self) -> Tensor:
        """(B, L) 1 on tokens, 0 on padding."""
        return (self.branch != PADDING).long()

    def to(self, device: torch.device | str) -> Packed:
        """The same rows on another device."""
        names = [name for name in self.__slots__ if name not in ("shared", "blocks")]
        moved = {name: getattr(self, name).to(device) for name in names}
        blocks = tuple(block.to(device) for block in self.blocks)
        return Packed(**moved, shared=self.shared, blocks=blocks)


class _Row:
    """One row while it is filled."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.group: list[int] = []
        self.branch: list[int] = []
        self.groups = 0

    def extend(self, tokens: Sequence[int], first_position: int, branch: int) -> int:
        """Append tokens and return the column of the first."""
        start = len(self.tokens)
        self.tokens += tokens
        self.positions += range(first_position, first_position + len(tokens))
        self.group += [self.groups] * len(tokens)
        self.branch += [branch] * len(tokens)
        return start


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one branch lies: its row, column, and the column that predicts its first token.

    The first `skip` tokens are the end of the completion's own prompt.
    """

    row: int
    start: int
    before: int
    tokens: Sequence[int]
    skip: int = 0

    @property
    def scored(self) -> Sequence[int]:
        """The completion's tokens."""
        return self.tokens[self.skip :]

    @property
    def sources(self) -> list[int]:
        """Columns that predict the completion's tokens."""
        columns = [self.before, *range(self.start, self.start + len(self.tokens) - 1)]
        return columns[self.skip :]


def pack_shared(
    groups: Sequence[TokenGroup], row_tokens: int | None = None, multiple: int = 1
) -> Packed:
    """Pack whole groups into rows, each prompt once.

    Args:
        row_tokens: row capacity; by default the longest group, which keeps the quadratic cost of
            a dense mask low. Kernels that skip masked blocks may take one long row.
        multiple: rows are padded to a multiple of this.
    """
    sizes = [group.shared_tokens for group in groups]
    capacity = max(row_tokens or 0, *sizes)
    rows: list[_Row] = []
    places: dict[int, list[_Place]] = {}
    for number in sorted(range(len(groups)), key=lambda k: (-sizes[k], k)):
        index = _first_fit(rows, sizes[number], capacity)
        places[number] = _place_shared(rows[index], index, groups[number])
    ordered = [place for number in range(len(groups)) for place in places[number]]
    return _tensors(rows, ordered, shared=True, multiple=multiple)


def pack_blocks(groups: Sequence[TokenGroup]) -> Packed:
    """One row of all groups with the blocks of its attention; groups alike are neighbours."""
    sizes = [(len(group.prompt), *map(len, group.completions)) for group in groups]
    row, blocks = _Row(), []
    places: dict[int, list[_Place]] = {}
    for numbers in alike(sizes):
        places |= {number: _place_shared(row, 0, groups[number]) for number in numbers}
        blocks.append(block_of([sizes[number] for number in numbers]))
    ordered = [place for number in range(len(groups)) for place in places[number]]
    return replace(_tensors([row], ordered, shared=True), blocks=tuple(blocks))


def _first_fit(rows: list[_Row], size: int, capacity: int) -> int:
    for index, row in enumerate(rows):
        if len(row.tokens) + size <= capacity:
            return index
    rows.append(_Row())
    return len(rows) - 1


def _place_shared(row: _Row, index: int, group: TokenGroup) -> list[_Place]:
    prompt = len(group.prompt)
    before = row.extend(group.prompt, 0, PROMPT) + prompt - 1
    places = [
        _Place(index, row.extend(tokens, prompt, branch), before, tokens, skip)
        for branch, (tokens, skip) in enumerate(
            zip(group.completions, group.skipped, strict=True), start=1
        )
    ]
    row.groups += 1
    return places


def pack_plain(groups: Sequence[TokenGroup]) -> Packed:
    """One row per completion, prompt repeated, padding on the right."""
    rows: list[_Row] = []
    places: list[_Place] = []
    for group in groups:
        for tokens, skip in zip(group.completions, group.skipped, strict=True):
            row, prompt = _Row(), (*group.prompt, *tokens[:skip])
            before = row.extend(prompt, 0, PROMPT) + len(prompt) - 1
            start = row.extend(tokens[skip:], len(prompt), 1)
            places.append(_Place(len(rows), start, before, tokens[skip:]))
            rows.append(row)
    return _tensors(rows, places, shared=False)


def _tensors(
    rows: Sequence[_Row], places: Sequence[_Place], *, shared: bool, multiple: int = 1
) -> Packed:
    width = -(-max(len(row.tokens) for row in rows) // multiple) * multiple

    def grid(name: str, fill: int) -> Tensor:
        lists = [getattr(row, name) for row in rows]
        return torch.tensor([values + [fill] * (width - len(values)) for values in lists])

    source: list[int] = []
    for place in places:
        source += [place.row * width + column for column in place.sources]
    return Packed(
        input_ids=grid("tokens", 0),
        positions=grid("positions", 0),
        group=grid("group", PADDING),
        branch=grid("branch", PADDING),
        source=torch.tensor(source),
        target=torch.tensor([token for place in places for token in place.scored]),
        owner=torch.tensor([k for k, place in enumerate(places) for _ in place.scored]),
        last=torch.tensor([p.row * width + p.start + len(p.tokens) - 1 for p in places]),
        lengths=torch.tensor([len(place.scored) for place in places]),
        shared=shared,
    )


def allowed(packed: Packed, window: int | None = None) -> Tensor:
    """(B, 1, L, L) booleans: which key each query may attend to.

    A token sees the earlier positions of its own completion and of its group's prompt. Positions
    restart at the prompt's length, so their difference is the true distance, which makes a
    sliding `window` exact as well. Padding sees padding, so no row of the softmax is empty.
    """
    same_group = packed.group[:, :, None] == packed.group[:, None, :]
    branch_q, branch_k = packed.branch[:, :, None], packed.branch[:, None, :]
    same_branch = (branch_k == PROMPT) | (branch_k == branch_q)
    distance = packed.positions[:, :, None] - packed.positions[:, None, :]
    seen = same_group & same_branch & (distance >= 0)
    if window is not None:
        seen = seen & (distance < window)
    return seen[:, None]


def additive(seen: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `seen`, the dtype's lowest value elsewhere: a dense mask for SDPA and eager."""
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill(~seen, torch.finfo(dtype).min)
