"""What a causal language model says of completions: log-probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from training.batching.tokenise import TokenGroup
from training.fit.reference.mismatch import Mismatches
from training.fit.scoring.backbone import Backbone, autocast
from training.fit.scoring.picked import picked
from training.objectives.signals import Signals

# Up to so many logits are kept for the way back: 34 million numbers are 128 MB in float32. More are
# computed in chunks, and once more on the way back, which costs a third of the head's time.
KEPT_LOGITS = 2**25
CHUNK_LOGITS = 2**24


@dataclass(slots=True)
class PolicyScorer:
    """Log-probabilities of completions under a causal language model.

    Attributes:
        reads: signals to compute beyond sums per completion, see `Objective.reads`.
        reference: the reference policy, where `token_kl` is read.
        mismatches: partners of prompts, where `mismatched` is read.
    """

    backbone: Backbone
    reads: frozenset[str] = frozenset()
    reference: Backbone | None = None
    mismatches: Mismatches | None = None

    @property
    def model(self) -> Any:
        """The model whose parameters are trained."""
        return self.backbone.model

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""
        return self.backbone.cost(group)

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """`logp` (C,) in nats and `tokens` (C,), and what else is read."""
        found = self._signals(groups, self.reads)
        others = self.mismatches.of(groups) if self.mismatches is not None else []
        if not others:
            return found
        with torch.no_grad():
            return dataclasses.replace(found, mismatched=self._signals(others, frozenset()))

    def _signals(self, groups: Sequence[TokenGroup], reads: frozenset[str]) -> Signals:
        packed = self.backbone.pack(groups)
        states = self.backbone.hidden(packed).index_select(0, packed.source)
        columns = self._columns(states, packed.target, groups, reads)
        owner = packed.owner
        # Sums run in float64: hundreds of float32 terms would lose the fifth decimal.
        sums = torch.zeros(len(packed.lengths), dtype=torch.float64, device=states.device)
        logp = sums.index_add(0, owner, columns["logp"].double())
        found = Signals(tokens=packed.lengths, logp=logp)
        if not reads:
            return found
        more: dict[str, Tensor | None] = {
            "owner": owner,
            "token_logp": columns["logp"],
            "token_kl": columns.get("kl"),
            "group": _group_numbers(groups, owner.device),
        }
        if "collision" in columns:
            aligned = (columns["logp"] - columns["collision"]).detach().double()
            more["alignment"] = sums.index_add(0, owner, aligned) / packed.lengths
        return dataclasses.replace(found, **more)  # type: ignore[arg-type]

    def _columns(
        self, states: Tensor, target: Tensor, groups: Sequence[TokenGroup], reads: frozenset[str]
    ) -> dict[str, Tensor]:
        """Values of each completion token by name, the head applied chunk by chunk."""
        reference = None
        if "token_kl" in reads:
            assert self.reference is not None
            with torch.no_grad():
                # It may lay its rows out in another way; completion tokens have one order.
                packed = self.reference.pack(groups)
                reference = self.reference.hidden(packed).index_select(0, packed.source)
        names = ["logp"] + ["collision"] * ("alignment" in reads) + ["kl"] * (reference is not None)
        values = self._in_chunks(states, target, reference, "alignment" in reads)
        return dict(zip(names, values, strict=True))

    def token_logps(self, states: Tensor, targets: Tensor) -> Tensor:
        """log p(target) for each hidden state, float32, with the head applied chunk by chunk.

        Args:
            states: (T, H) hidden states that predict the targets.
            targets: (T,) token ids.
        """
        return self._in_chunks(states, targets, None, False)[0]

    def _in_chunks(
        self, states: Tensor, targets: Tensor, reference: Tensor | None, collision: bool
    ) -> Tensor:
        weight = self.model.get_output_embeddings().weight
        size = max(CHUNK_LOGITS // weight.shape[0], 1)
        if len(states) * weight.shape[0] <= KEPT_LOGITS:
            return self._chunk(states, targets, reference, collision)
        others = (
            torch.split(reference, size)
            if reference is not None
            else (None,) * -(-len(states) // size)
        )
        parts = zip(torch.split(states, size), torch.split(targets, size), others, strict=True)
        # Recomputing a chunk in the backward pass keeps the logits of one chunk alive at a time.
        return torch.cat(
            [checkpoint(self._chunk, s, t, r, collision, use_reentrant=False) for s, t, r in parts],
            dim=1,
        )

    def logits(self, states: Tensor) -> Tensor:
        """Next-token logits in float32, soft-capped as the model does it: (T, V)."""
        return _logits(self.backbone, states)

    def _chunk(
        self, states: Tensor, targets: Tensor, reference: Tensor | None, collision: bool
    ) -> Tensor:
        """(columns, T): log-probability, then log sum p^2 and KL where wanted."""
        logits = self.logits(states)
        if not collision and reference is None:
            return picked(logits, targets)[None]
        total = torch.logsumexp(logits, dim=1)
        columns = [logits.gather(1, targets[:, None])[:, 0] - total]
        if collision:
            columns.append(torch.logsumexp(2 * logits, dim=1) - 2 * total)
        if reference is not None:
            assert self.reference is not None
            with torch.no_grad():
                theirs = torch.log_softmax(_logits(self.reference, reference), dim=1)
            ours = logits - total[:, None]
            columns.append((theirs.exp() * (theirs - ours)).sum(1))
        return torch.stack(columns)


def _logits(backbone: Backbone, states: Tensor) -> Tensor:
    model = backbone.model
    with autocast(states.device, backbone.precision):
        output = model.get_output_embeddings()(states)
    logits: Tensor = output.float()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits


def _group_numbers(groups: Sequence[TokenGroup], device: torch.device) -> Tensor:
    numbers = [n for n, group in enumerate(groups) for _ in group.completions]
    return torch.tensor(numbers, device=device)
