"""Configurations of the commands that do not train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from training.errors import RefusalError
from training.fit.reading import build

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class EmbedConfig:
    """`encoder` is a model folder; None takes the sentence encoder that comes with Tandem."""

    data: str
    encoder: str | None = None
    max_length: int = 256
    batch_tokens: int = 8192
    threads: int | None = None
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class SimilarityConfig:
    """`pairs` are row numbers of `data`. `offset` of `total` texts were done by earlier calls."""

    data: str
    pairs: list[list[int]]
    encoder: str | None = None
    max_length: int = 256
    batch_tokens: int = 8192
    offset: int = 0
    total: int = 0
    threads: int | None = None
    device: Device = "auto"


@dataclass(frozen=True, slots=True)
class ScoreConfig:
    """Rewards of a saved reward model; of one annotator, or of everybody."""

    model: str
    data: str
    annotator: str = ""
    max_length: int = 512
    max_prompt_length: int | None = None
    token_budget: int = 8192
    threads: int | None = None
    device: Device = "auto"

    @property
    def prompt_limit(self) -> int:
        """Prompt tokens at most; by default half of `max_length`."""
        return self.max_prompt_length or self.max_length // 2


@dataclass(frozen=True, slots=True)
class EvaluateConfig(ScoreConfig):
    """A saved model on labelled rows; with `benchmark`, a reward model on a benchmark's files."""

    kind: Literal["reward", "policy"] = "reward"
    benchmark: str | None = None


@dataclass(frozen=True, slots=True)
class LogpsConfig:
    """Log-probabilities under a saved policy, and under its reference where there is one."""

    model: str
    data: str
    reference: str | None = None
    max_length: int = 512
    max_prompt_length: int | None = None
    token_budget: int = 8192
    threads: int | None = None
    device: Device = "auto"

    @property
    def prompt_limit(self) -> int:
        """Prompt tokens at most; by default half of `max_length`."""
        return self.max_prompt_length or self.max_length // 2


@dataclass(frozen=True, slots=True)
class GenerateConfig:
    """Continuations of a saved policy; temperature 0 is greedy."""

    model: str
    data: str
    max_prompt_length: int = 512
    max_new_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0
    batch_prompts: int = 16
    threads: int | None = None
    device: Device = "auto"


_POSITIVE = (
    "max_length",
    "batch_tokens",
    "token_budget",
    "max_prompt_length",
    "max_new_tokens",
    "batch_prompts",
)


def settings(kind: Any, values: dict[str, Any]) -> Any:
    """A checked configuration of one of the classes above; sets the number of threads.

    Raises:
        RefusalError: unknown or missing field, wrong type, or a number that must be positive.
    """
    import torch

    config = build(kind, values, "")
    for name in _POSITIVE:
        value = getattr(config, name, None)
        if value is not None and value <= 0:
            raise RefusalError(f"`{name}` is {value}.", "Set it to a number above 0.")
    if getattr(config, "temperature", 0.0) < 0:
        raise RefusalError("`temperature` is negative.", "Set it to 0 or more.")
    if config.threads:
        torch.set_num_threads(config.threads)
    return config
