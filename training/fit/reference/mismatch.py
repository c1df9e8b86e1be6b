"""Completions behind prompts they do not answer: what KTO estimates its drift from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from training.batching.tokenise import TokenGroup

Key = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]


@dataclass(frozen=True, slots=True)
class Mismatches:
    """For every prompt of a data set, the first completion of the prompt before it.

    The partners never change, so that their reference log-probabilities are computed once.
    """

    partners: Mapping[Key, TokenGroup]

    @classmethod
    def among(cls, groups: Sequence[TokenGroup], max_length: int) -> Mismatches:
        """Partners within one data set; a completion that is too long loses its end."""
        others = [*groups[-1:], *groups[:-1]]
        pairs = zip(groups, others, strict=True)
        return cls({_key(group): _joined(group, other, max_length) for group, other in pairs})

    def __or__(self, other: Mismatches) -> Mismatches:
        return Mismatches({**self.partners, **other.partners})

    def of(self, groups: Sequence[TokenGroup]) -> list[TokenGroup]:
        """The partners of those groups that have one."""
        keys = [_key(group) for group in groups]
        return [self.partners[key] for key in keys if key in self.partners]


def _key(group: TokenGroup) -> Key:
    return group.prompt, group.completions


def _joined(group: TokenGroup, other: TokenGroup, max_length: int) -> TokenGroup:
    skip = group.skipped[0]
    prompt = (*group.prompt, *group.completions[0][:skip])
    answer = other.completions[0][other.skipped[0] :]
    completion = answer[: max(max_length - len(prompt), 1)]
    alone = replace(group.preference, relevance=(0.0,), pair_p=None, attributes={})
    return replace(group, prompt=prompt, completions=(completion,), skips=(), preference=alone)
