"""What the endpoint answered and charged: its own count, to hold a ledger against. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

ARRIVALS = 20_000


class Bill:
    """One account for each API key, and what was seen of each question."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.input_tokens: Counter[str] = Counter()
        self.output_tokens: Counter[str] = Counter()
        self.kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.delivered: set[bytes] = set()
        self.bought_again = 0
        self.repeated = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.arrivals: list[float] = []

    def arrived(self, now: float) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if len(self.arrivals) < ARRIVALS:
            self.arrivals.append(now)

    def left(self) -> None:
        self.in_flight -= 1

    def note(self, key: str, kind: str) -> None:
        self.kinds[key][kind] += 1

    def charge(self, key: str, question: bytes, tokens: tuple[int, int]) -> None:
        """One answered call; `question` says which, so that buying a good answer twice shows."""
        self.calls[key] += 1
        self.input_tokens[key] += tokens[0]
        self.output_tokens[key] += tokens[1]
        self.bought_again += question in self.delivered

    def delivered_whole(self, question: bytes) -> None:
        """A good answer left."""
        self.left()
        self.delivered.add(question)

    def as_json(self) -> dict[str, Any]:
        keys = sorted(set(self.calls) | set(self.kinds))
        return {
            "calls": sum(self.calls.values()),
            "input_tokens": sum(self.input_tokens.values()),
            "output_tokens": sum(self.output_tokens.values()),
            "bought_again": self.bought_again,
            "repeated": self.repeated,
            "most_in_flight": self.most_in_flight,
            "kinds": dict(sum((self.kinds[key] for key in keys), Counter())),
            "keys": {
                key: {
                    "calls": self.calls[key],
                    "input_tokens": self.input_tokens[key],
                    "output_tokens": self.output_tokens[key],
                    "kinds": dict(self.kinds[key]),
                }
                for key in keys
            },
        }
