"""How fast a run was: pairs and tokens a second, and the share of the device's arithmetic used.

Counted are unique tokens: a prompt once for all its completions. Padding and recomputation, which
do no work for the result, count nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.batching.tokenise import TokenGroup

# Dense bfloat16 peaks in FLOP/s by a part of the device's name.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


@dataclass(frozen=True, slots=True)
class Size:
    """What of a model decides its arithmetic.

    Attributes:
        parameters: without the input embeddings; with the output matrix, shared or not.
    """

    parameters: int
    layers: int
    hidden: int

    @classmethod
    def of(cls, model: Any) -> Size:
        """The size of a transformers model."""
        settings = model.config.get_text_config()
        looked_up = model.get_input_embeddings().weight
        output = model.get_output_embeddings()
        tied = output is not None and output.weight is looked_up
        count = sum(p.numel() for p in model.parameters()) - (0 if tied else looked_up.numel())
        return cls(count, settings.num_hidden_layers, settings.hidden_size)

    def flops_per_token(self, context: float, *, lora: bool = False) -> float:
        """FLOPs of one token, forward and backward, at a mean sequence length of `context`.

        Adapters spare the gradients of the weights: 4 instead of 6 for each parameter.
        """
        linear = (4 if lora else 6) * self.parameters
        return linear + 12 * self.layers * self.hidden * context


def mean_context(groups: Sequence[TokenGroup]) -> float:
    """Mean tokens of a prompt with one of its completions."""
    lengths = [len(g.prompt) + len(c) for g in groups for c in g.completions]
    return sum(lengths) / max(len(lengths), 1)


def throughput(
    size: Size,
    groups: Sequence[TokenGroup],
    *,
    tokens: int,
    seconds: float,
    lora: bool,
    device: str = "",
) -> dict[str, float]:
    """Speeds by the second: `tokens_`, `prompts_`, `pairs_` and `flops_per_second`; perhaps `mfu`.

    A pair is a completion beside another one of its prompt: K completions count K - 1, because
    no fewer comparisons tie them together. `mfu` is there where the device's peak is known.

    Args:
        groups: what was trained on.
        tokens: unique tokens of all steps; their prompts follow from the mean of the groups.
        device: name of the device, as torch has it.
    """
    rate = tokens / max(seconds, 1e-9)
    mean_tokens = sum(group.shared_tokens for group in groups) / max(len(groups), 1)
    pairs = sum(len(group.completions) - 1 for group in groups) / max(len(groups), 1)
    prompts_per_second = rate / max(mean_tokens, 1)
    flops = rate * size.flops_per_token(mean_context(groups), lora=lora)
    found = {
        "tokens_per_second": rate,
        "prompts_per_second": prompts_per_second,
        "pairs_per_second": pairs * prompts_per_second,
        "flops_per_second": flops,
    }
    peak = next((peak for name, peak in PEAKS.items() if name in device), None)
    return found if peak is None else found | {"mfu": flops / peak}
