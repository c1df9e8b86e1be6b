"""Reference log-probabilities: computed once, kept on disk, found again by content."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from training.batching.plan import MicroBatch
from training.batching.tokenise import TokenGroup
from training.errors import RefusalError
from training.fit import events
from training.fit.files import replace_file
from training.fit.reference.mismatch import Mismatches
from training.fit.scoring.scorers import Scorer
from training.objectives.core import Signals

Floats = NDArray[np.float64]

# Largest |log-ratio| of the initial policy to its own reference, in nats per completion.
STEP_ZERO_TOLERANCE = 1e-5
# Values of an earlier run were computed in other batches: rounding differs per token.
REUSED_TOLERANCE_PER_TOKEN = {"fp32": 1e-5, "bf16": 5e-2}


def completion_keys(group: TokenGroup) -> list[bytes]:
    """sha256 of the token ids of each completion together with its prompt."""
    prompt = np.asarray(group.prompt, dtype=np.int64).tobytes()
    head = hashlib.sha256(len(group.prompt).to_bytes(8, "little") + prompt)
    keys = []
    for completion, skip in zip(group.completions, group.skipped, strict=True):
        digest = head.copy()
        if skip:
            # The same tokens say something else where fewer of them are the prompt's.
            digest.update(b"skip" + skip.to_bytes(8, "little"))
        digest.update(np.asarray(completion, dtype=np.int64).tobytes())
        keys.append(digest.digest())
    return keys


@dataclass(slots=True)
class ReferenceCache:
    """Sums of log-probabilities in nats under one model revision and one precision.

    Attributes:
        per_token: whether the values of single tokens are kept as well, in `tokens`.
        mismatches: partners of prompts whose values are read with those of the prompts.
    """

    path: Path
    values: dict[bytes, float] = field(default_factory=dict)
    tokens: dict[bytes, Floats] = field(default_factory=dict)
    per_token: bool = False
    reused: bool = False
    mismatches: Mismatches | None = None

    @classmethod
    def open(
        cls, folder: Path, revision: str, precision: str, *, per_token: bool = False
    ) -> ReferenceCache:
        """The cache of a revision and precision, with what earlier runs have left there."""
        suffix = "-tokens" if per_token else ""
        path = folder / f"{revision}-{precision}{suffix}.safetensors"
        cache = cls(path, per_token=per_token)
        if cache.path.is_file():
            try:
                cache._read()
            except (OSError, ValueError, LookupError, SafetensorError) as error:
                told = f"The cached reference values {path.name} are damaged and made anew: {error}"
                events.log(told, level="warning")
                cache.values, cache.tokens = {}, {}
        return cache

    def _read(self) -> None:
        stored = load_file(self.path)
        keys = [row.tobytes() for row in stored["keys"]]
        self.values = dict(zip(keys, stored["logp"].tolist(), strict=True))
        if self.per_token:
            ends = np.cumsum(stored["lengths"])[:-1]
            self.tokens = dict(zip(keys, np.split(stored["tokens"], ends), strict=True))
        self.reused = True

    def holds(self, group: TokenGroup) -> bool:
        """Whether all completions of the group are there."""
        return all(key in self.values for key in completion_keys(group))

    def logps(self, groups: Sequence[TokenGroup]) -> list[float]:
        """Log-probabilities of all completions, group after group."""
        return [self.values[key] for group in groups for key in completion_keys(group)]

    def token_logps(self, groups: Sequence[TokenGroup]) -> Floats:
        """Log-probabilities of all completion tokens, completion after completion."""
        return np.concatenate([self.tokens[k] for group in groups for k in completion_keys(group)])

    def save(self) -> None:
        """Write everything to disk."""
        keys = np.frombuffer(b"".join(self.values), dtype=np.uint8).reshape(-1, 32)
        logp = np.fromiter(self.values.values(), dtype=np.float64)
        arrays: dict[str, Any] = {"keys": keys, "logp": logp}
        if self.per_token:
            parts = [self.tokens[key] for key in self.values]
            arrays["lengths"] = np.asarray([len(part) for part in parts], dtype=np.int64)
            arrays["tokens"] = np.concatenate(parts)
        replace_file(self.path, lambda path: save_file(arrays, path))


@torch.no_grad()
def fill(
    cache: ReferenceCache,
    scorer: Scorer,
    groups: Sequence[TokenGroup],
    batches: Sequence[MicroBatch],
    pause: Callable[[int], None],
) -> int:
    """Compute what is missing, in the batches the training will use, and save it.

    Args:
        pause: called with the number of groups done after every batch; it may raise to stop,
            and what was computed until then is kept.

    Returns:
        How many completions were computed.
    """
    before, done = len(cache.values), 0
    try:
        for batch in batches:
            members = [groups[k] for k in batch]
            if not all(cache.holds(group) for group in members):
                _compute(cache, scorer, members)
            done += len(members)
            pause(done)
    finally:
        if len(cache.values) > before:
            cache.save()
    return len(cache.values) - before


def _compute(cache: ReferenceCache, scorer: Scorer, members: Sequence[TokenGroup]) -> None:
    signals = scorer.signals(members)
    assert signals.logp is not None
    keys = [key for group in members for key in completion_keys(group)]
    for key, value in zip(keys, signals.logp.tolist(), strict=True):
        cache.values.setdefault(key, value)
    if cache.per_token:
        assert signals.token_logp is not None
        parts = torch.split(signals.token_logp.cpu(), signals.tokens.tolist())
        for key, part in zip(keys, parts, strict=True):
            cache.tokens.setdefault(key, part.numpy().astype(np.float64))


def with_reference(
    signals: Signals, cache: ReferenceCache | None, groups: Sequence[TokenGroup]
) -> Signals:
    """The signals with the reference's log-probabilities, where there is a reference."""
    if cache is None or signals.logp is None:
        return signals
    logp = signals.logp
    found = dataclasses.replace(signals, reference_logp=_like(logp, cache.logps(groups)))
    if cache.per_token:
        tokens = _like(logp, cache.token_logps(groups))
        found = dataclasses.replace(found, reference_token_logp=tokens)
    if signals.mismatched is not None and cache.mismatches is not None:
        others = cache.mismatches.of(groups)
        theirs = dataclasses.replace(
            signals.mismatched, reference_logp=_like(logp, cache.logps(others))
        )
        found = dataclasses.replace(found, mismatched=theirs)
    return found


def _like(logp: Tensor, values: Sequence[float] | Floats) -> Tensor:
    return torch.as_tensor(values, dtype=logp.dtype).to(logp.device)


@torch.no_grad()
def check_step_zero(
    scorer: Scorer, cache: ReferenceCache, groups: Sequence[TokenGroup], precision: str
) -> float:
    """Largest |log-ratio| of the untrained policy, which must be 0.

    Raises:
        RefusalError: policy and reference differ before the first step, so the reference's
            values belong to something else (another model, dropout, another precision).
    """
    signals = with_reference(scorer.signals(groups), cache, groups)
    ratio = _log_ratio(signals).abs()
    limit = torch.full_like(ratio, STEP_ZERO_TOLERANCE)
    if cache.reused:
        limit = limit.maximum(REUSED_TOLERANCE_PER_TOKEN[precision] * signals.tokens)
    if bool((ratio > limit).any()):
        raise RefusalError(
            f"The policy differs from its reference before the first step by {ratio.max():.2e}.",
            "Delete the cached reference log-probabilities and start again.",
        )
    return float(ratio.max())


def _log_ratio(signals: Signals) -> Tensor:
    assert signals.logp is not None
    assert signals.reference_logp is not None
    return signals.logp - signals.reference_logp
