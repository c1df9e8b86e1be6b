"""Reward heads: from linear outputs of a pooled state to what an objective reads.

The linear layer stays the one of the transformers model, so a saved folder loads as a plain
classifier; a head adds the few tensors between its outputs and the reward. They hang on the model
as a submodule, so optimiser, checkpoints and hashes know them like any other weights.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit.heads.settings import HeadSpec
from training.objectives.head_losses import HeadSignals, pearson, skew_product

PLACE = "tandem_head"
FIRST_TIE = 0.5


@dataclass(frozen=True, slots=True)
class Context:
    """What heads read beside states: whose labels, which rows, how long.

    Attributes:
        group: (C,) prompt of each completion.
        annotators: (G,) row of each prompt's annotator; the last row stands for everybody.
        lengths: (C,) completion tokens.
        linear: the weight (N, H) of the linear layer.
    """

    groups: Sequence[TokenGroup]
    group: Tensor
    annotators: Tensor
    lengths: Tensor
    linear: Tensor

    @property
    def sizes(self) -> list[int]:
        """Completions of each prompt."""
        return [len(group.completions) for group in self.groups]


class RewardHead(nn.Module):
    """A head whose linear outputs are mapped by `read`."""

    labels: Tensor

    def __init__(self, spec: HeadSpec, hidden: int) -> None:
        super().__init__()
        self.spec = spec
        self.rows = {name: row for row, name in enumerate(spec.annotators)}
        if spec.head.learn_ties:
            self.tie = nn.Parameter(torch.tensor(math.log(FIRST_TIE)))
        self.build(hidden)

    def build(self, hidden: int) -> None:
        """Create the tensors of this kind."""

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """What the head says.

        Args:
            outputs: (C, N) linear outputs.
            prompts: (G, H) states at the prompts' ends, where `spec.reads_prompt`.
        """
        return HeadSignals(reward=outputs[:, 0], tie=self.tie_width())

    def tie_width(self) -> Tensor | None:
        """() learnt width of ties, above 0."""
        return self.tie.exp() if self.spec.head.learn_ties else None

    def build_gate(self, hidden: int, size: int) -> None:
        """A gate over `size` parts, even at first."""
        self.gate_bias = nn.Parameter(torch.zeros(size))
        if self.spec.reads_prompt:
            self.gate = nn.Parameter(torch.zeros(size, hidden))

    def gate_logits(self, prompts: Tensor | None, groups: int) -> Tensor:
        """(G, size) logits of the gate."""
        if not self.spec.reads_prompt:
            return self.gate_bias.expand(groups, -1)
        assert prompts is not None
        return prompts @ self.gate.T + self.gate_bias

    def build_annotators(self, size: int) -> None:
        """A vector per annotator as its distance from the shared one, 0 at first."""
        self.deviation = nn.Parameter(torch.zeros(len(self.rows), size))
        self.register_buffer("labels", torch.tensor(self.spec.labels).float(), persistent=False)

    def deviations(self, context: Context) -> Tensor:
        """(G, size) distances from the shared vector; 0 for everybody and for the unknown."""
        everybody = self.deviation.new_zeros(1, self.deviation.shape[1])
        return torch.cat([self.deviation, everybody])[context.annotators]

    def prior(self, context: Context) -> Tensor:
        """(G,) each row's share of prior / 2 * |deviation|^2.

        Over all labels of an annotator the shares add up to the whole penalty once, so the pull
        to the shared vector weighs more where there are fewer labels.
        """
        counts = torch.cat([self.labels, self.labels.new_ones(1)]).clamp(min=1)
        share = self.spec.head.prior / 2 / counts[context.annotators]
        return share * self.deviations(context).square().sum(dim=1)


class Ensemble(RewardHead):
    """Members on one backbone; the reward is their mean, their disagreement its variance."""

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        even = outputs.new_full(outputs.shape, 1 / outputs.shape[1])
        return HeadSignals(
            reward=outputs.mean(dim=1),
            variance=disagreement(outputs, even, context) * self._unbiased,
            members=outputs,
            member_weights=self._draws(context, outputs) if self.spec.head.bootstrap else None,
            tie=self.tie_width(),
        )

    @property
    def _unbiased(self) -> float:
        return self.spec.outputs / (self.spec.outputs - 1)

    def _draws(self, context: Context, outputs: Tensor) -> Tensor:
        names = [group.instance_id or group.prompt_hash for group in context.groups]
        rows = [[poisson(f"{name}/{k}") for k in range(self.spec.outputs)] for name in names]
        return outputs.new_tensor(rows)


def poisson(name: str) -> int:
    """A draw from Poisson(1) that depends on the name alone: the bootstrap of a stream."""
    seed = hashlib.sha256(name.encode()).digest()
    chance, count, product = random.Random(seed), 0, 1.0
    while True:
        product *= chance.random()
        if product <= math.exp(-1):
            return count
        count += 1


def disagreement(members: Tensor, shares: Tensor, context: Context) -> Tensor:
    """(C,) variance over members of a completion's lead over its prompt's mean.

    Labels compare completions of one prompt, so nothing fixes where a member's scale begins; with
    the prompt's mean taken off, only what members say of the comparison counts. A completion that
    is alone has no other, and keeps the plain variance.
    """
    sizes = torch.tensor(context.sizes, device=members.device)
    sums = members.new_zeros(len(sizes), members.shape[1]).index_add(0, context.group, members)
    means = (sums / sizes[:, None]) * (sizes > 1)[:, None]
    lead = members - means[context.group]
    mean = (shares * lead).sum(dim=1, keepdim=True)
    return (shares * (lead - mean).square()).sum(dim=1)


class Attributes(RewardHead):
    """A rating per attribute and a gate that mixes them (ArmoRM 2406.12845).

    Ratings train the outputs, pair labels the gate and its scale alone.
    """

    def build(self, hidden: int) -> None:
        """Gate and scale."""
        self.build_gate(hidden, self.spec.outputs)
        self.scale = nn.Parameter(torch.zeros(()))

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        gate = torch.softmax(self.gate_logits(prompts, len(context.groups)), dim=1)
        gate = self.scale.exp() * gate[context.group]
        return HeadSignals(
            reward=(gate * outputs.detach()).sum(dim=1),
            attributes=outputs,
            ratings=self._ratings(context, outputs),
            tie=self.tie_width(),
        )

    def _ratings(self, context: Context, outputs: Tensor) -> Tensor:
        rows = [
            [
                given[place] if given else math.nan
                for name in self.spec.attributes
                for given in [group.preference.attributes.get(name, ())]
            ]
            for group in context.groups
            for place in range(len(group.completions))
        ]
        return outputs.new_tensor(rows)


class Annotators(RewardHead):
    """Shared reward features, weighed by each annotator (2503.17338; on the simplex 2504.14439)."""

    def build(self, hidden: int) -> None:
        """The shared weights and the annotators' distances from them."""
        size = self.spec.outputs
        free = self.spec.head.weights == "free"
        self.shared = nn.Parameter(torch.full((size,), 1 / math.sqrt(size) if free else 0.0))
        self.build_annotators(size)

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        weights = self.shared + self.deviations(context)
        if self.spec.head.weights == "simplex":
            weights = torch.softmax(weights, dim=1)
        reward = (weights[context.group] * outputs).sum(dim=1)
        return HeadSignals(reward=reward, prior=self.prior(context), tie=self.tie_width())


class IdealPoint(RewardHead):
    """The nearer to the annotator's ideal point, the better (PAL-A, 2406.08469).

    An annotator's ideal point is a mixture of prototypes that all annotators share.
    """

    def build(self, hidden: int) -> None:
        """Prototypes, shared mixture and the annotators' distances from it."""
        count = self.spec.head.prototypes
        self.prototypes = nn.Parameter(torch.randn(count, self.spec.outputs))
        self.shared = nn.Parameter(torch.zeros(count))
        self.build_annotators(count)

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        shares = torch.softmax(self.shared + self.deviations(context), dim=1)
        ideal = (shares @ self.prototypes)[context.group]
        reward = -torch.linalg.vector_norm(outputs - ideal, dim=1)
        return HeadSignals(reward=reward, prior=self.prior(context), tie=self.tie_width())


class Mixture(RewardHead):
    """K rewards, mixed by a gate on the prompt (MiCRo 2505.24846) and by annotator where known."""

    def build(self, hidden: int) -> None:
        """Gate and the annotators' distances from it."""
        self.build_gate(hidden, self.spec.outputs)
        self.build_annotators(self.spec.outputs)

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        logits = self.gate_logits(prompts, len(context.groups)) + self.deviations(context)
        log_gate = torch.log_softmax(logits, dim=1)
        shares = log_gate.exp()[context.group]
        return HeadSignals(
            reward=(shares * outputs).sum(dim=1),
            variance=disagreement(outputs, shares, context),
            members=outputs,
            log_gate=log_gate,
            prior=self.prior(context),
            tie=self.tie_width(),
        )


class Preferences(RewardHead):
    """Vectors whose skew product says which is better (GPM 2410.02197): cycles are possible.

    For a ranking, a completion's reward is half the log-odds of its mean win rate against the
    others of its prompt; for two completions the rewards differ by exactly their skew product.
    """

    def build(self, hidden: int) -> None:
        """The gate over the planes."""
        self.build_gate(hidden, self.spec.outputs // 2)

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        logits = self.gate_logits(prompts, len(context.groups))
        if self.spec.reads_prompt:
            logits = logits / math.sqrt(self.gate.shape[1])
        scales = torch.softmax(logits, dim=1) * logits.shape[1]
        parts = torch.split(outputs, context.sizes)
        pairs = zip(parts, scales, strict=True)
        reward = torch.cat([win_log_odds(part, scale) for part, scale in pairs])
        tie = self.tie_width()
        return HeadSignals(reward=reward, vectors=outputs, scales=scales, tie=tie)


def win_log_odds(vectors: Tensor, scale: Tensor) -> Tensor:
    """(K,) half the log-odds of each completion's mean win rate against the others."""
    count = len(vectors)
    if count == 1:
        return vectors.new_zeros(1)
    scores = skew_product(vectors[:, None], vectors[None, :], scale)
    others = ~torch.eye(count, dtype=torch.bool, device=vectors.device)
    level = math.log(count - 1)

    def mean_log(values: Tensor) -> Tensor:
        return torch.logsumexp(values.masked_fill(~others, -torch.inf), dim=1) - level

    wins, losses = functional.logsigmoid(scores), functional.logsigmoid(-scores)
    return (mean_log(wins) - mean_log(losses)) / 2


class Distribution(RewardHead):
    """Mean and standard deviation (distributional preference learning, 2312.08358)."""

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        spread = functional.softplus(outputs[:, 1]).square()
        tie = self.tie_width()
        return HeadSignals(reward=outputs[:, 0], variance=spread, spread=spread, tie=tie)


class Length(RewardHead):
    """A quality and a length part that share the labels (ODIN 2402.07319); quality is kept."""

    def read(self, outputs: Tensor, prompts: Tensor | None, context: Context) -> HeadSignals:
        """See `RewardHead.read`."""
        quality, length = outputs[:, 0], outputs[:, 1]
        tokens = context.lengths.to(outputs.dtype)
        return HeadSignals(
            reward=quality,
            judged=quality + length,
            correlations=torch.stack([pearson(quality, tokens), pearson(length, tokens)]),
            alignment=context.linear[0] @ context.linear[1],
            tie=self.tie_width(),
        )


KINDS: dict[str, type[RewardHead]] = {
    "scalar": RewardHead,
    "ensemble": Ensemble,
    "attributes": Attributes,
    "annotators": Annotators,
    "ideal_point": IdealPoint,
    "mixture": Mixture,
    "preference": Preferences,
    "distribution": Distribution,
    "length": Length,
}


def attach(model: Any, spec: HeadSpec) -> None:
    """Hang the head on the model; the plain scalar needs none."""
    if not spec.plain:
        hidden = model.config.get_text_config().hidden_size
        setattr(model, PLACE, KINDS[spec.head.kind](spec, hidden))


def attached(model: Any) -> RewardHead | None:
    """The head that hangs on a model; None where the linear output is the reward."""
    found: RewardHead | None = getattr(model, PLACE, None)
    return found


def require_annotator(model: Any, name: str) -> None:
    """Refuse somebody whom the model's head does not know; "" is everybody.

    Raises:
        RefusalError: saying who is known.
    """
    head = attached(model)
    known = list(head.rows) if head is not None else []
    if not name or name in known:
        return
    if not known:
        raise RefusalError(
            "This reward model has one reward for everybody.",
            "Leave out `annotator`, or choose a model with a vector per annotator.",
        )
    raise RefusalError(
        f"This reward model knows no annotator {name!r}.",
        f"It knows: {', '.join(known)}. Leave out `annotator` for everybody's reward.",
    )


def context_of(
    head: RewardHead,
    groups: Sequence[TokenGroup],
    lengths: Tensor,
    linear: Tensor,
    annotator: str | None = None,
) -> Context:
    """The context of some groups.

    Args:
        annotator: who speaks for all of them; None takes each row's, "" and the unknown everybody.
    """
    device = lengths.device
    counts = torch.tensor([len(group.completions) for group in groups], device=device)
    everybody = len(head.rows)
    names = [group.preference.annotator if annotator is None else annotator for group in groups]
    return Context(
        groups=groups,
        group=torch.repeat_interleave(torch.arange(len(groups), device=device), counts),
        annotators=torch.tensor([head.rows.get(n, everybody) for n in names], device=device),
        lengths=lengths,
        linear=linear,
    )
