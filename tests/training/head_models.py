"""Tiny reward models with heads, and groups that annotators rated."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from training.batching.packing import Packed
from training.batching.tokenise import TokenGroup
from training.fit.heads.modules import attach, attached
from training.fit.heads.settings import Head, HeadSpec, head_spec
from training.fit.models.loading import head_of, start_head
from training.fit.scoring.backbone import Backbone
from training.fit.scoring.reward import CausalRewardScorer
from training.objectives.core import Signals, comparisons, total_loss
from training.objectives.preference import Preference
from training.objectives.presets import resolve

from .tiny import CAUSAL, SIZES, groups

HEADS: dict[str, Head] = {
    "scalar": Head(),
    "ties": Head(learn_ties=True),
    "ensemble": Head("ensemble"),
    "attributes": Head("attributes"),
    "attributes_constant": Head("attributes", gate="constant"),
    "annotators": Head("annotators", size=3),
    "simplex": Head("annotators", size=3, weights="simplex"),
    "ideal_point": Head("ideal_point", size=3, prototypes=2),
    "mixture": Head("mixture"),
    "preference": Head("preference"),
    "preference_constant": Head("preference", gate="constant"),
    "distribution": Head("distribution"),
    "length": Head("length"),
}
PRESETS = {
    "ties": "bt_davidson",
    "attributes": "attributes",
    "attributes_constant": "attributes",
    "distribution": "dpl",
}


def rated_groups(sizes: tuple[int, ...] = (2, 4, 2, 3), seed: int = 0) -> list[TokenGroup]:
    """Random groups of the annotators a and b and of nobody, rated in two attributes."""
    chance = random.Random(seed)
    found = []
    for number, group in enumerate(groups(sizes, seed)):
        count = len(group.completions)
        ratings = {
            "help": tuple(chance.uniform(0, 4) for _ in range(count)),
            "tone": (float("nan"), *(chance.uniform(0, 4) for _ in range(count - 1))),
        }
        annotator = ("a", "b", "")[number % 3]
        preference = replace(group.preference, annotator=annotator, attributes=ratings)
        found.append(replace(group, preference=preference, instance_id=f"i{number}"))
    return found


def spec_for(head: Head, members: Sequence[TokenGroup]) -> HeadSpec:
    return head_spec(head, [group.preference for group in members])


def head_model(spec: HeadSpec, architecture: str = "llama", **options: Any) -> Any:
    """A random causal reward model whose head is random as well."""
    torch.manual_seed(3)
    settings = AutoConfig.for_model(architecture, **(SIZES | CAUSAL[architecture] | options))
    settings.num_labels = spec.outputs
    model = AutoModelForSequenceClassification.from_config(settings, attn_implementation="sdpa")
    start_head(model)
    attach(model, spec)
    return model.eval()


def shake(model: Any) -> None:
    """Random numbers in place of the head's first ones, which are mostly 0."""
    head = attached(model)
    if head is not None:
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.normal_(std=0.5)


def loss_of(signals: Signals, members: Sequence[TokenGroup], preset: str) -> torch.Tensor:
    objective = resolve("reward", preset)
    return total_loss(signals, comparisons([g.preference for g in members], objective), objective)


@dataclass
class Remembered:
    """A backbone that has read its groups already: its weights stay, the head's are trained."""

    model: Any
    packed: Packed
    states: torch.Tensor

    def pack(self, _: Sequence[TokenGroup]) -> Packed:
        return self.packed

    def hidden(self, _: Packed) -> torch.Tensor:
        return self.states


def train(
    model: Any, members: Sequence[TokenGroup], preset: str, *, steps: int = 200, rate: float = 3e-2
) -> CausalRewardScorer:
    """Adam on the head over a random backbone that stays as it is, all groups at once."""
    backbone = Backbone(model)
    packed = backbone.pack(members)
    with torch.no_grad():
        remembered: Any = Remembered(model, packed, backbone.hidden(packed))
    scorer = CausalRewardScorer(remembered)
    parts = [head_of(model), attached(model)]
    parameters = [p for part in parts if part is not None for p in part.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=rate)
    for _ in range(steps):
        loss = loss_of(scorer.signals(members), members, preset) / len(members)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return CausalRewardScorer(backbone)


@torch.no_grad()
def accuracy(scorer: CausalRewardScorer, members: Sequence[TokenGroup]) -> float:
    """Share of pairs whose preferred side has the higher reward."""
    rewards = scorer.signals(members).reward
    assert rewards is not None
    right, start = 0, 0
    for group in members:
        first, second = rewards[start : start + 2].tolist()
        better, other = group.preference.relevance
        right += (first > second) == (better > other)
        start += 2
    return right / len(members)


def pairs(
    count: int, make: Callable[[random.Random, int], TokenGroup], seed: int = 0
) -> list[TokenGroup]:
    """Groups made one after another with the same dice."""
    chance = random.Random(seed)
    return [make(chance, number) for number in range(count)]


def pair(
    prompt: tuple[int, ...],
    first: tuple[int, ...],
    second: tuple[int, ...],
    *,
    first_wins: bool,
    **labels: Any,
) -> TokenGroup:
    """A labelled pair."""
    preference = Preference((1.0, 0.0) if first_wins else (0.0, 1.0), **labels)
    return TokenGroup(prompt, (first, second), preference)
