"""One question to the endpoint: whether it is let in, what becomes of it, and what is charged."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from . import shapes
from .bill import Bill
from .http import Ending, Request, Response
from .options import LASTING, LOST, SPOILT, Options
from .verdicts import said, unit

REASONED_TOKENS = 24


class Bucket:
    """So many a minute, with room for a burst; says how long to wait where there is no room."""

    def __init__(self, per_minute: int, burst: float) -> None:
        self.rate = per_minute / 60
        self.room = burst
        self.left = burst
        self.at = 0.0

    def take(self, amount: float, now: float) -> float:
        """Seconds to wait; 0 when taken."""
        if not self.rate:
            return 0.0
        self.left = min(self.room, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < min(amount, self.room):
            return (min(amount, self.room) - self.left) / self.rate
        self.left -= amount
        return 0.0


class Limits:
    """Requests and tokens a minute."""

    def __init__(self, options: Options) -> None:
        room = options.tokens_per_minute / 60 * options.burst
        self._requests = Bucket(options.requests_per_minute, options.burst)
        self._tokens = Bucket(options.tokens_per_minute, room)

    def take(self, tokens: int, now: float) -> float:
        """Seconds to wait; 0 when let in."""
        return self._requests.take(1, now) or self._tokens.take(tokens, now)


@dataclass
class Judged:
    """What a question came to: HTTP status and JSON, or a kind of error."""

    status: int
    body: dict[str, Any]
    kind: str = "answered"


class Judge:
    """Answers chat completions and messages, by the options and on the bill."""

    def __init__(self, options: Options, bill: Bill) -> None:
        self.options = options
        self.bill = bill
        self.number = 0
        self._visits: Counter[bytes] = Counter()
        self._kept: dict[str, dict[str, Any]] = {}
        self.limits = Limits(options)

    def respond(self, request: Request, now: float) -> Response:
        """The response to one POST of either protocol."""
        anthropic = request.path.endswith("/messages")
        key = key_of(request)
        body = json.loads(request.body)
        self.bill.arrived(now)
        if (early := self._refused(key, body, now, anthropic=anthropic)) is not None:
            early.left = self.bill.left
            return early
        again = request.headers.get("idempotency-key", "") if self.options.idempotent else ""
        if again in self._kept:
            self.bill.repeated += 1
            return self._whole(Judged(200, self._kept[again]))
        judged = self.judge(body, key, request.body, anthropic=anthropic)
        if again and judged.status == 200 and judged.kind not in SPOILT:
            self._kept[again] = judged.body
        return self._sent(judged, request.body)

    def judge(self, body: dict[str, Any], key: str, question: bytes, *, anthropic: bool) -> Judged:
        """What is answered and charged, however it is delivered."""
        digest = hashlib.blake2b(question, digest_size=16).digest()
        kind = self._fate(digest, shapes.tokens_of(body))
        self.bill.note(key, kind or "answered")
        self.number += 1
        if kind in shapes.PROBLEMS:
            limit, used = self.options.context_tokens, shapes.tokens_of(body)
            text = shapes.problem(kind, anthropic=anthropic, limit=limit, used=used)
            return Judged(400 if kind == "context" else int(kind), text, kind)
        reply, usage = self._reply(body, kind, anthropic=anthropic)
        self.bill.charge(key, digest, usage)
        return Judged(200, reply, kind or "answered")

    def _fate(self, digest: bytes, tokens: int) -> str:
        """The kind of error this visit meets, or nothing."""
        visit = self._visits[digest]
        self._visits[digest] += 1
        if self.options.context_tokens and tokens > self.options.context_tokens:
            return "context"
        start = 0.0
        for kind, share in self.options.errors.items():
            nth = 0 if kind in LASTING else visit
            drawn = unit(self.options.seed, digest.hex(), nth)
            if start <= drawn < start + share:
                return kind
            start += share
        return ""

    def _reply(
        self, body: dict[str, Any], kind: str, *, anthropic: bool
    ) -> tuple[dict[str, Any], tuple[int, int]]:
        text = shapes.anthropic_text(body) if anthropic else shapes.openai_text(body)
        reasoned = "[[" in json.dumps(body["messages"][-1:]) + str(body.get("system", ""))
        reply, shares = said(text, self.options, reasoned=reasoned)
        usage = (shapes.tokens_of(body), REASONED_TOKENS if reasoned else 1)
        if kind == "wrong-label":
            reply, shares = ("[[Q]]" if reasoned else "Q"), None
        if kind == "empty":
            reply, shares = "", None
        if kind == "no-logprobs" or not self.options.logprobs or kind == "refusal":
            shares = None
        refused = kind == "refusal"
        if anthropic:
            return shapes.message(self.number, body, reply, usage, refused=refused), usage
        return shapes.chat_completion(
            self.number, body, reply, shares, usage, refused=refused
        ), usage

    def _refused(
        self, key: str, body: dict[str, Any], now: float, *, anthropic: bool
    ) -> Response | None:
        kind, wait = "", 0.0
        if self.options.keys and key not in self.options.keys:
            kind = "401"
        else:
            wait = self.limits.take(shapes.tokens_of(body), now)
            kind = "429" if wait else ""
        if not kind:
            return None
        self.bill.note(key, "limited" if kind == "429" else kind)
        judged = Judged(int(kind), shapes.problem(kind, anthropic=anthropic), kind)
        response = self._whole(judged)
        if wait and self.options.retry_after is not None:
            response.headers["Retry-After"] = self._wait_text(wait)
        response.delay = 0.0
        return response

    def _sent(self, judged: Judged, question: bytes) -> Response:
        """How it leaves: whole, or lost on the way as its kind says."""
        response = self._whole(judged)
        drawn = unit(self.options.seed, "slow", self.number)
        if drawn < self.options.slow_share:
            response.delay = self.options.slow
        if judged.kind in LOST:
            response.ending = Ending.HALF if judged.kind == "half-reply" else Ending.NONE
            if judged.kind == "timeout":
                response.delay = self.options.hang
        elif judged.kind == "invalid-json":
            response.body = response.body[: len(response.body) // 2]
        elif judged.status == 200 and judged.kind not in SPOILT:
            digest = hashlib.blake2b(question, digest_size=16).digest()
            response.left = lambda: self.bill.delivered_whole(digest)
        return response

    def _whole(self, judged: Judged) -> Response:
        response = Response(judged.status, json.dumps(judged.body).encode())
        response.delay = self.options.latency
        response.left = self.bill.left
        if judged.kind in ("429", "503", "529") and self.options.retry_after is not None:
            response.headers["Retry-After"] = self._wait_text(self.options.retry_after)
        return response

    def _wait_text(self, seconds: float) -> str:
        if self.options.retry_after_form == "seconds":
            return f"{seconds:.3f}".rstrip("0").rstrip(".")
        return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def key_of(request: Request) -> str:
    """The API key of either protocol; empty without one."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("x-api-key", "") or bearer
