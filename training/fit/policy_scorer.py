"""What a causal language model says of completions: log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from training.batching.tokenise import TokenGroup
from training.fit.backbone import Backbone, autocast
from training.objectives.core import Signals

# Logits of one chunk of completion tokens: 16 million numbers are 64 MB in float32.
CHUNK_LOGITS = 2**24


@dataclass(slots=True)
class PolicyScorer:
    """Log-probabilities of completions under a causal language model."""

    backbone: Backbone

    @property
    def model(self) -> Any:
        """The model whose parameters are trained."""
        return self.backbone.model

    def cost(self, group: TokenGroup) -> int:
        """Tokens this group occupies."""
        return self.backbone.cost(group)

    def signals(self, groups: Sequence[TokenGroup]) -> Signals:
        """`logp` (C,) in nats and `tokens` (C,)."""
        packed = self.backbone.pack(groups)
        states = self.backbone.hidden(packed).index_select(0, packed.source)
        token_logps = self.token_logps(states, packed.target)
        # Sums run in float64: hundreds of float32 terms would lose the fifth decimal.
        sums = torch.zeros(len(packed.lengths), dtype=torch.float64, device=states.device)
        logp = sums.index_add(0, packed.owner, token_logps.double())
        return Signals(tokens=packed.lengths, logp=logp)

    def token_logps(self, states: Tensor, targets: Tensor) -> Tensor:
        """log p(target) for each hidden state, float32, with the head applied chunk by chunk.

        Args:
            states: (T, H) hidden states that predict the targets.
            targets: (T,) token ids.
        """
        weight = self.model.get_output_embeddings().weight
        size = max(CHUNK_LOGITS // weight.shape[0], 1)
        if len(states) <= size:
            return self._chunk(states, targets)
        parts = zip(torch.split(states, size), torch.split(targets, size), strict=True)
        # Recomputing a chunk in the backward pass keeps the logits of one chunk alive at a time.
        return torch.cat([checkpoint(self._chunk, s, t, use_reentrant=False) for s, t in parts])

    def logits(self, states: Tensor) -> Tensor:
        """Next-token logits in float32, soft-capped as the model does it: (T, V)."""
        with autocast(states.device, self.backbone.precision):
            output = self.model.get_output_embeddings()(states)
        logits: Tensor = output.float()
        cap = getattr(self.model.config.get_text_config(), "final_logit_softcapping", None)
        return torch.tanh(logits / cap) * cap if cap else logits

    def _chunk(self, states: Tensor, targets: Tensor) -> Tensor:
        logits = self.logits(states)
        return logits.gather(1, targets[:, None])[:, 0] - torch.logsumexp(logits, dim=1)
