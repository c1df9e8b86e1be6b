"""Labels of a micro-batch as tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.objectives.objective import PAIR_LINKS, Objective
from training.objectives.preference import (
    Preference,
    compared_pairs,
    other_aims,
    shares,
    target_margin,
    target_probability,
    wanted,
    win_rates,
)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Labels of G prompts with C completions and M compared pairs, as tensors.

    Attributes:
        pairs: (M, 2) completion indices, first side labelled.
        pair_group: (M,) prompt of each pair.
        target: (M,) weight q of the first side, see `target_probability`.
        margin: (M,) margin of each pair.
        offset: (M,) what the first side's other aims are worth above the second's.
        weight: (G,) weight of each prompt.
        best: (C,) share of each completion in the likelihood term.
        wanted: (C,) weight q of "wanted" against "unwanted"; NaN where the label does not say.
        win_rate: (C,) share of the others that it beats; NaN where unknown.
        group: (C,) prompt of each completion.
        lists: per prompt, the relevance of its completions.
    """

    pairs: Tensor
    pair_group: Tensor
    target: Tensor
    margin: Tensor
    offset: Tensor
    weight: Tensor
    best: Tensor
    wanted: Tensor
    win_rate: Tensor
    group: Tensor
    lists: tuple[tuple[float, ...], ...]

    def mean_over_pairs(self, values: Tensor) -> Tensor:
        """(G,) mean of (M,) values over the pairs of each prompt; 0 where it has none."""
        return self.sum_over_pairs(values) / self._count(self.pair_group)

    def sum_over_pairs(self, values: Tensor) -> Tensor:
        """(G,) sum of (M,) values over the pairs of each prompt."""
        return values.new_zeros(self.weight.shape).index_add(0, self.pair_group, values)

    def mean_over_known(self, values: Tensor, known: Tensor) -> Tensor:
        """(G,) mean of (C,) values over the known completions of each prompt."""
        kept, group = values[known], self.group[known]
        return values.new_zeros(self.weight.shape).index_add(0, group, kept) / self._count(group)

    def mean_over_completions(self, values: Tensor) -> Tensor:
        """(G,) mean of (C,) values over the completions of each prompt."""
        return self.mean_over_known(values, torch.ones_like(self.group, dtype=torch.bool))

    def _count(self, group: Tensor) -> Tensor:
        return torch.bincount(group, minlength=len(self.weight)).clamp(min=1)


def comparisons(
    preferences: Sequence[Preference],
    objective: Objective,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Comparisons:
    """Turn labels into index and target tensors; completions are numbered prompt after prompt."""
    groups = [n for n, preference in enumerate(preferences) for _ in preference.relevance]
    rows = _pair_rows(preferences, objective)

    def floats(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    def indices(values: Sequence[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    return Comparisons(
        pairs=indices([side for row in rows for side in (row.first, row.second)]).view(-1, 2),
        pair_group=indices([row.group for row in rows]),
        target=floats([row.target for row in rows]),
        margin=floats([row.margin for row in rows]),
        offset=floats([row.offset for row in rows]),
        weight=floats([preference.weight for preference in preferences]),
        best=floats([share for p in preferences for share in shares(p, objective)]),
        wanted=floats([q for p in preferences for q in _wanted(p, objective)]),
        win_rate=floats([rate for p in preferences for rate in win_rates(p)]),
        group=indices(groups),
        lists=tuple(preference.ranked() for preference in preferences),
    )


@dataclass(frozen=True, slots=True)
class _PairRow:
    first: int
    second: int
    group: int
    target: float
    margin: float
    offset: float


def _pair_rows(preferences: Sequence[Preference], objective: Objective) -> list[_PairRow]:
    rows: list[_PairRow] = []
    start = 0
    for number, preference in enumerate(preferences):
        if objective.link in PAIR_LINKS:
            margin = target_margin(preference.margin, objective)
            aims = other_aims(preference, objective)
            for i, j, p in compared_pairs(preference, objective):
                q = target_probability(p, objective, preference.source)
                offset = (aims[i] - aims[j]) / objective.aim_weight
                rows.append(_PairRow(start + i, start + j, number, q, margin, offset))
        start += len(preference.relevance)
    return rows


def _wanted(preference: Preference, objective: Objective) -> list[float]:
    return [
        p if math.isnan(p) else target_probability(p, objective, preference.source)
        for p in wanted(preference, objective)
    ]
