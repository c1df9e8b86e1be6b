"""One run: keeps as many questions in flight as allowed, and the books about them."""

from __future__ import annotations

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from annotation.judges.models import CallState, Failure
from annotation.judges.providers.base import ProviderError, Reply
from annotation.judges.stops import TOLD_TO_WAIT
from core.exceptions import BudgetExceeded
from jobs.exceptions import JobCancelled

from .asks import Ask, Outcome, Source, lost
from .books import Books
from .breaker import Breaker
from .feed import Feed
from .limits import Limit
from .line import Line
from .policy import REFUSALS, TROUBLES, Policy, back_off, wait_after

# Seconds: between two looks around (progress, cancel), between two writings of labels, and until
# a budget that is full is tried again while replies are still to come.
LOOK_EVERY = 0.5
LABEL_EVERY = 1.0
BUDGET_AGAIN = 0.1
# One more for so many in flight is written and handed over ahead: it takes a place that gets free
# at once, not after the books of the reply before it.
AHEAD = 8
# Seconds in which replies gather before they are written, for most of that costs the same for one
# as for many; only where so many calls are handed over ahead that no place is free meanwhile.
GATHER, GATHER_FROM = 0.02, 8
# Replies written in one transaction; the next ones gather meanwhile.
FLUSH = 500

Label = Callable[[Source, Mapping[int, CallState]], Counter[str]]


@dataclass(frozen=True)
class Decision:
    """What is written of a call, and what follows: another question, another try, or nothing."""

    ask: Ask
    reply: Reply
    again: Ask | None = None
    wait: float | None = None


class Engine:
    """`outcome` counts finished instances; `stopped` says why it ended early, blank otherwise.

    One turn of its loop: take what came home, write it, send what may go.
    """

    def __init__(
        self,
        feed: Feed,
        books: Books,
        *,
        limit: Limit,
        policy: Policy,
        label: Label,
        look: Callable[[Engine], object] = lambda engine: None,
        grace: float = 20.0,
    ) -> None:
        self._feed = feed
        self._books = books
        self._limit = limit
        self._policy = policy
        self._label = label
        self._look = look
        self._grace = grace
        ahead = policy.concurrency // AHEAD
        self._room = policy.concurrency + ahead
        self._gather = GATHER if ahead >= GATHER_FROM else 0.0
        self._breaker = Breaker(rest=policy.rest, patience=policy.patience)
        self._ready: deque[Ask] = deque()
        self._later: list[tuple[float, int, Ask]] = []
        self._number = count()
        self._out: set[Ask] = set()
        self._not_before = 0.0
        self._told_to_wait_since: float | None = None
        self._error: Exception | None = None
        self._deadline: float | None = None
        self._looked = self._labelled = time.monotonic()
        self.outcome: Counter[str] = Counter()
        self.stopped = ""

    @property
    def spent(self) -> int:
        """Micros paid for replies."""
        return self._books.spent

    @property
    def calls(self) -> int:
        """Calls sent."""
        return self._books.calls

    @property
    def done(self) -> int:
        """Instances finished."""
        return sum(self.outcome.values())

    def run(self, sources: Sequence[Source]) -> None:
        """Until everything is asked, or something stops it and what was in flight is home.

        Raises:
            BudgetExceeded: the next call does not fit.
            JobCancelled: as `look` raised it; replies that came within the grace are kept.
            Exception: a fault in a provider, or whatever else `look` raised.
        """
        providers = [source.provider for source in sources]
        with Line(providers, self._policy.concurrency) as line:
            while self._out or not (self.stopped or self._done()):
                home = line.arrived(self._patience(), gather=self._gather)
                decisions = self._decide(home)
                self._store(decisions)
                self._fill(line)
                self._write_labels()
                self._look_around()
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self._give_up_waiting()
            for _, _, ask in self._later:
                self._feed.settled(ask, CallState.UNKNOWN if ask.held else CallState.FAILED)
            self._write_labels(everything=True)
        if self._error is not None:
            raise self._error

    def stop(self, reason: str, error: Exception | None = None) -> None:
        """Ask nothing more; what is in flight comes home. The first reason counts."""
        self.stopped = self.stopped or reason
        self._error = self._error or error

    def _done(self) -> bool:
        return self._feed.empty and not self._ready and not self._later

    def _patience(self) -> float:
        """How long to wait for something to come home."""
        now = time.monotonic()
        until = now + LOOK_EVERY
        if not self.stopped and len(self._out) < self._room:
            if self._later:
                until = min(until, max(self._not_before, self._later[0][0]))
            if self._ready or not self._feed.empty:
                until = min(until, self._not_before)
            until = max(until, now + min(LOOK_EVERY, self._breaker.wait()))
        if self._feed.finished:
            until = min(until, self._labelled + LABEL_EVERY)
        return max(0.0, until - now)

    def _decide(self, home: Iterable[Outcome]) -> list[Decision]:
        decisions = []
        unused = 0
        for outcome in home:
            ask, reply = outcome.ask, outcome.reply
            self._out.discard(ask)
            if reply is not None:
                self._breaker.answered()
                self._told_to_wait_since = None
                unused += ask.question.tokens - reply.input_tokens - reply.output_tokens
                repeated = reply.state == CallState.UNPARSABLE
                again = self._feed.repeated(ask) if repeated else None
                decisions.append(Decision(ask, reply, again=again))
            elif outcome.error is not None:
                decisions.append(self._without_reply(ask, outcome.error, outcome.milliseconds))
            else:
                decisions.append(self._fault(ask, outcome.fault))
        self._limit.refund(unused)
        return decisions

    def _without_reply(self, ask: Ask, error: ProviderError, milliseconds: int) -> Decision:
        limited = error.failure == Failure.RATE_LIMIT
        ask.waits += limited
        ask.attempts += not limited
        ask.held = ask.held or (error.unknown and ask.source.provider.buys)
        self._tell_breaker(error)
        wait = wait_after(ask, error, self._policy)
        if limited or error.wait is not None:
            self._hold(error, back_off(0) if error.wait is None else error.wait)
        return Decision(ask, lost(ask, error, milliseconds), wait=wait)

    def _tell_breaker(self, error: ProviderError) -> None:
        if error.failure in TROUBLES:
            self._breaker.failed(str(error))
        elif error.failure in REFUSALS:
            self._breaker.refused(str(error))
        elif error.failure == Failure.RATE_LIMIT:
            self._breaker.told_to_wait()
        else:
            self._breaker.answered()

    def _hold(self, error: ProviderError, seconds: float) -> None:
        """Nobody asks this connection for so long; not for ever, though."""
        now = time.monotonic()
        since = self._told_to_wait_since = self._told_to_wait_since or now
        if now + seconds - since > self._policy.patience:
            self.stop(TOLD_TO_WAIT % {"error": error})
            return
        self._limit.hold(seconds)
        self._not_before = max(self._not_before, now + seconds)

    def _fault(self, ask: Ask, fault: Exception | None) -> Decision:
        self.stop(f"{type(fault).__name__}: {fault}", fault)
        ask.held = ask.source.provider.buys
        return Decision(ask, lost(ask, ProviderError(Failure.LOST, self.stopped), 0))

    def _fill(self, line: Line) -> None:
        """Send what may go: written and paid for first."""
        now = time.monotonic()
        if reason := self._breaker.gave_up():
            self.stop(reason)
        if self.stopped or now < self._not_before:
            return
        asks = self._next(self._breaker.allows(self._room - len(self._out)))
        if not asks:
            return
        delays, back = self._limit.take([ask.question.tokens for ask in asks])
        self._not_before = now + back
        sent = self._place(asks[: len(delays)])
        self._ready.extendleft(reversed(asks[sent:]))
        if sent:
            self._out.update(asks[:sent])
            self._breaker.sent()
            line.send(list(zip(asks[:sent], delays[:sent], strict=True)))

    def _next(self, room: int) -> list[Ask]:
        """What waits longest first: tries that are due, what was put back, then new questions."""
        if room <= 0:
            return []
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        if len(self._ready) < room:
            self._ready.extend(self._feed.take(room - len(self._ready)))
        return [self._ready.popleft() for _ in range(min(room, len(self._ready)))]

    def _place(self, asks: Sequence[Ask]) -> int:
        """How many of these calls, from the first, are on the books: what the budget holds."""
        if not asks:
            return 0
        try:
            self._books.place(asks)
        except BudgetExceeded as refusal:
            fitting = affordable(asks, refusal)
            if fitting:
                return self._place(asks[:fitting])
            if not self._out:
                self.stop(refusal.message, refusal)
            self._not_before = time.monotonic() + BUDGET_AGAIN
            return 0
        return len(asks)

    def _store(self, decisions: Sequence[Decision]) -> None:
        for start in range(0, len(decisions), FLUSH):
            part = decisions[start : start + FLUSH]
            self._books.store([(decision.ask, decision.reply) for decision in part])
        now = time.monotonic()
        for decision in decisions:
            if decision.again is not None:
                self._ready.append(decision.again)
            elif decision.wait is not None:
                entry = (now + decision.wait, next(self._number), decision.ask)
                heapq.heappush(self._later, entry)
            else:
                self._feed.settled(decision.ask, decision.reply.state)

    def _write_labels(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        if not everything and now < self._labelled + LABEL_EVERY:
            return
        self._labelled = now
        for source, states in self._feed.finished.items():
            self.outcome.update(self._label(source, states))
        self._feed.finished.clear()

    def _look_around(self) -> None:
        now = time.monotonic()
        if now < self._looked + LOOK_EVERY or self._deadline is not None:
            return
        self._looked = now
        try:
            self._look(self)
        except JobCancelled as cancelled:
            self.stop("cancelled", cancelled)
            self._deadline = now + self._grace

    def _give_up_waiting(self) -> None:
        """Nobody knows what becomes of calls that are not home when a cancelled run has to end."""
        for ask in self._out:
            ask.held = ask.source.provider.buys
        error = ProviderError(Failure.LOST, "the run was cancelled while this call was in flight")
        self._store([Decision(ask, lost(ask, error, 0)) for ask in self._out])
        self._out.clear()


def affordable(asks: Sequence[Ask], refusal: BudgetExceeded) -> int:
    """How many of these, from the first, the budget holds."""
    owed = [0 if ask.held else ask.question.ceiling for ask in asks]
    free = sum(owed) - int(refusal.extra["missing"])
    for fitting, amount in enumerate(owed):
        free -= amount
        if free < 0:
            return fitting
    return len(asks) - 1
