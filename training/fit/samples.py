"""Continuations of a few fixed prompts before and after training, and the KL to the reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.batching.rows import Message, Row
from training.batching.tokenise import Encoder, Limits, TokenGroup
from training.fit.config import FitConfig
from training.fit.files import write_json
from training.fit.generate import continuations
from training.fit.scoring.policy import PolicyScorer
from training.fit.scoring.scorers import Scorer
from training.objectives.preference import Preference

# Draws per prompt for the KL estimate.
DRAWS = 4


@dataclass(slots=True)
class Samples:
    """Fixed prompts with what the reference says after them.

    Attributes:
        messages: the prompts' conversations.
        earlier: greedy continuations by the reference; kept on disk for resumed runs.
    """

    config: FitConfig
    tokenizer: Any
    prompts: list[list[int]]
    messages: list[tuple[Message, ...]]
    path: Path
    earlier: list[str]

    @classmethod
    def prepare(
        cls, config: FitConfig, tokenizer: Any, rows: Sequence[Row], workdir: Path
    ) -> Samples:
        """The first prompts by the hash of their text: the same in every run on this data."""
        messages = fixed_prompts(rows, config.sample_prompts)
        encoder = Encoder(tokenizer, Limits(config.max_length, config.prompt_limit))
        return cls(
            config=config,
            tokenizer=tokenizer,
            prompts=[encoder.prompt_ids(m) for m in messages],
            messages=messages,
            path=workdir / "samples_before.json",
            earlier=[],
        )

    def before(self, model: Callable[[], Any]) -> None:
        """Continue the prompts with the reference, unless a stopped run already has."""
        if self.path.is_file():
            self.earlier = json.loads(self.path.read_text())
            return
        self.earlier = self.greedy(model())
        write_json(self.path, self.earlier)

    def greedy(self, model: Any) -> list[str]:
        """Greedy continuations as text."""
        ids = continuations(
            model, self.tokenizer, self.prompts, max_new_tokens=self.config.sample_tokens
        )
        return [self.tokenizer.decode(i, skip_special_tokens=True) for i in ids]

    def drawn(self, model: Any) -> list[TokenGroup]:
        """Continuations drawn at temperature 1, `DRAWS` for each prompt."""
        prompts = [prompt for prompt in self.prompts for _ in range(DRAWS)]
        ids = continuations(
            model,
            self.tokenizer,
            prompts,
            max_new_tokens=self.config.sample_tokens,
            temperature=1.0,
            seed=self.config.seed,
        )
        unlabelled = Preference((0.0,))
        pairs = zip(prompts, ids, strict=True)
        return [TokenGroup(tuple(p), (tuple(i),), unlabelled) for p, i in pairs if i]


def fixed_prompts(rows: Sequence[Row], count: int) -> list[tuple[Message, ...]]:
    """Distinct prompts in the order of the sha256 of their text."""
    # Where answers have prompts of their own, `prompt` is only how these begin.
    texts = {json.dumps(row.prompt): row.prompt for row in rows if not row.own_prompts}
    ordered = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    return [texts[text] for text in ordered[:count]]


def compare_samples(
    samples: Samples, policy: Scorer, reference: Scorer, tokenizer: Any
) -> dict[str, Any]:
    """Texts before and after, mean drawn length, and the KL divergence to the reference."""
    assert isinstance(policy, PolicyScorer)
    assert isinstance(reference, PolicyScorer)
    later = samples.greedy(policy.model)
    drawn = samples.drawn(policy.model)
    texts = zip(samples.messages, samples.earlier, later, strict=True)
    divergence = kl_to_reference(policy, reference, drawn) if drawn else []
    lengths = [len(group.completions[0]) for group in drawn]
    return {
        "samples": [
            {"prompt": m[-1]["content"], "messages": list(m), "before": b, "after": a}
            for m, b, a in texts
        ],
        "kl_to_reference": sum(divergence) / max(len(divergence), 1),
        "kl_draws": len(divergence),
        "tokens_drawn": sum(lengths) / max(len(lengths), 1),
    }


@torch.no_grad()
def kl_to_reference(
    policy: PolicyScorer, reference: PolicyScorer, groups: Sequence[TokenGroup]
) -> list[float]:
    """KL(policy || reference) in nats for each continuation that the policy has drawn.

    The sum over positions of the exact divergence between the two next-token distributions:
    unbiased for the sequence KL like the log-ratio itself, but never negative and less noisy.
    """
    training = policy.model.training
    policy.model.eval()
    reference.model.eval()
    values = []
    for group in groups:
        ours, theirs = (_log_softmax(scorer, group) for scorer in (policy, reference))
        values.append(float((ours.exp() * (ours - theirs)).sum()))
    policy.model.train(training)
    return values


def _log_softmax(scorer: PolicyScorer, group: TokenGroup) -> Tensor:
    packed = scorer.backbone.pack([group])
    states = scorer.backbone.hidden(packed).index_select(0, packed.source)
    return torch.log_softmax(scorer.logits(states), dim=1)
