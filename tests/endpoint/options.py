"""How the endpoint behaves. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

# Kinds that are a property of the question: they come back however often it is asked.
LASTING = frozenset({"400", "413", "context"})
STATUSES = ("400", "401", "403", "404", "408", "413", "429", "500", "503", "529")
# What is answered, and charged, but is no verdict; and what is charged and never arrives whole.
SPOILT = ("refusal", "empty", "wrong-label", "invalid-json", "no-logprobs")
LOST = ("timeout", "half-reply", "dropped")
KINDS = (*STATUSES, "context", *SPOILT, *LOST)


@dataclass(frozen=True)
class Options:
    """Times in seconds.

    `errors`: share of requests for each of `KINDS`. `keys`: accepted API keys, all when empty.
    `retry_after`: sent with 429, 503 and 529; None sends none; `retry_after_form` is "seconds"
    or "date". `accuracy`: share of pairs whose better completion is preferred. `bias`: added to
    the logit of the completion shown first. `slow_share` of the calls take `slow` instead of
    `latency`. `hang`: how long a reply that times out is held.
    """

    latency: float = 0.0
    slow_share: float = 0.0
    slow: float = 0.0
    errors: Mapping[str, float] = field(default_factory=dict)
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    burst: int = 1
    retry_after: float | None = 1.0
    retry_after_form: str = "seconds"
    context_tokens: int = 0
    keys: tuple[str, ...] = ()
    idempotent: bool = False
    hang: float = 30.0
    accuracy: float = 1.0
    bias: float = 0.0
    logprobs: bool = True
    batch_seconds: float = 0.2
    batch_expires: float = 0.0
    seed: str = "1"

    def __post_init__(self) -> None:
        if unknown := set(self.errors) - set(KINDS):
            raise ValueError(f"unknown kinds of error: {', '.join(sorted(unknown))}")

    @classmethod
    def parsed(cls, text: str | bytes) -> Self:
        values: dict[str, Any] = json.loads(text)
        values["keys"] = tuple(values.get("keys", ()))
        return cls(**values)

    def text(self) -> str:
        return json.dumps(asdict(self))


def evenly(share: float, kinds: tuple[str, ...] = KINDS) -> dict[str, float]:
    """`share` of all requests, spread evenly over the kinds of error."""
    return {kind: share / len(kinds) for kind in kinds}
