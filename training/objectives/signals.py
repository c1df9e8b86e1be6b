"""What models say of the completions of a micro-batch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from training.objectives.head_losses import HeadSignals


@dataclass(frozen=True, slots=True)
class Signals:
    """What the models say about C completions with T tokens altogether.

    Token values are in the order of the completions, each completion's tokens together.

    Attributes:
        tokens: (C,) completion length n in tokens.
        reward: (C,) output of the reward head.
        logp: (C,) sum of the completion's token log-probabilities in nats.
        reference_logp: (C,) the same under the reference model.
        token_logp: (T,) log-probability of each token.
        reference_token_logp: (T,) the same under the reference model.
        token_kl: (T,) KL(reference || policy) of the next-token distributions.
        owner: (T,) the completion of each token.
        group: (C,) the prompt of each completion.
        alignment: (C,) mean over tokens of log p(token) - log sum_v p(v)^2, without a graph.
        mismatched: completions of other prompts behind these prompts, without a graph.
        head: what a reward head says beside the reward.
    """

    tokens: Tensor
    reward: Tensor | None = None
    logp: Tensor | None = None
    reference_logp: Tensor | None = None
    token_logp: Tensor | None = None
    reference_token_logp: Tensor | None = None
    token_kl: Tensor | None = None
    owner: Tensor | None = None
    group: Tensor | None = None
    alignment: Tensor | None = None
    mismatched: Signals | None = None
    head: HeadSignals | None = None

    def detached(self) -> Signals:
        """The same values without their graph."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        cut: dict[str, Any] = {
            name: value.detach()
            for name, value in values.items()
            if isinstance(value, (Tensor, HeadSignals))
        }
        return dataclasses.replace(self, **cut)


def given(signals: Signals, name: str) -> Tensor:
    """A signal that has to be there.

    Raises:
        ValueError: the scorer did not compute it.
    """
    value = getattr(signals, name)
    if value is None:
        message = f"this objective needs the signal {name}"
        raise ValueError(message)
    found: Tensor = value
    return found
