"""What to do after an attempt without a reply. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from annotation.judges.models import Failure
from annotation.judges.providers.base import ProviderError

from .asks import Ask

LONGEST_WAIT = 60.0
# Being told to wait is no failure of the question: it has this many times the attempts.
WAITS = 4
# Nothing else will be answered either: a wrong key, address or model.
REFUSALS = frozenset(
    {Failure.AUTH, Failure.NOT_FOUND, Failure.BAD_REQUEST, Failure.PRIVATE, Failure.SANDBOX}
)
TROUBLES = frozenset({Failure.SERVER, Failure.TIMEOUT, Failure.NETWORK, Failure.HALF_REPLY})


@dataclass(frozen=True)
class Policy:
    """`attempts` of one question; `idempotent`: a repeated question is charged once.

    `patience`: seconds an endpoint may be down, or tell us to wait, before the run stops;
    `rest`: seconds of the first rest after failures in a row.
    """

    concurrency: int
    attempts: int = 5
    idempotent: bool = False
    patience: float = 900.0
    rest: float = 2.0


def wait_after(ask: Ask, error: ProviderError, policy: Policy) -> float | None:
    """Seconds until the question may be asked again; None when this was the last time.

    Reads `ask.attempts`, `waits` and `held` after this attempt was counted.
    """
    if error.unknown and not policy.idempotent:
        return None
    if not (error.retry or error.unknown):
        return None
    limit = WAITS * policy.attempts if error.failure == Failure.RATE_LIMIT else policy.attempts
    tried = ask.waits if error.failure == Failure.RATE_LIMIT else ask.attempts
    if tried >= limit:
        return None
    return back_off(tried - 1) if error.wait is None else error.wait


def back_off(attempt: int) -> float:
    """Seconds: 0.5, 1, 2, … up to a minute, each times a draw from [½, 1]."""
    return float(min(LONGEST_WAIT, 0.5 * 2 ** min(attempt, 10))) * random.uniform(0.5, 1)
