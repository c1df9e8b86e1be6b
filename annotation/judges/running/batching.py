"""A run through a provider's batch endpoint: handed in together, fetched when it has ended.

Money is set aside from before the handing in until the results are read. A batch belongs to the
provider once it has a name there: whatever happens to this process, a later run of the judge
finds it by that name and reads it before anything new is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from django.db import transaction
from django.utils import timezone

from annotation.judges.models import (
    CallState,
    Failure,
    JudgeBatch,
    JudgeRun,
)
from annotation.judges.providers.base import (
    Completion,
    ProviderError,
    Reply,
)
from annotation.judges.providers.batches import BatchClient, Result
from annotation.judges.providers.chat import ChatProvider
from annotation.judges.stops import NOT_CANCELLED, NOT_HANDED_IN, NOT_READ
from core.exceptions import BudgetExceeded
from jobs.exceptions import JobCancelled

from .asks import Ask, Source, lost
from .books import Books
from .engine import LOOK_EVERY, Label, affordable
from .feed import Feed
from .handed import CHUNK, SETTLED, Handed, adopted

MOST_QUESTIONS = 5_000
POLL_SECONDS = 20.0


class BatchEngine:
    """Does what `Engine` does, by batches. `outcome`, `stopped`, `spent`, `calls`: as there."""

    def __init__(
        self,
        feed: Feed,
        books: Books,
        client: BatchClient,
        *,
        run: JudgeRun,
        label: Label,
        look: Callable[[BatchEngine], object],
        grace: float = 20.0,
        poll: float = POLL_SECONDS,
    ) -> None:
        self._feed = feed
        self._books = books
        self._client = client
        self._run = run
        self._label = label
        self._look = look
        self._grace = grace
        self._poll = poll
        self._open: list[Handed] = []
        self._again: list[Ask] = []
        self._error: Exception | None = None
        self._deadline: float | None = None
        self._runner = asyncio.Runner()
        self.outcome: Counter[str] = Counter()
        self.stopped = ""

    @property
    def spent(self) -> int:
        """Micros paid for replies."""
        return self._books.spent

    @property
    def calls(self) -> int:
        """Calls handed in."""
        return self._books.calls

    @property
    def done(self) -> int:
        """Instances finished."""
        return sum(self.outcome.values())

    def run(self, sources: Sequence[Source]) -> None:
        """Until everything is handed in and read.

        Raises:
            BudgetExceeded, JobCancelled: as `Engine.run`; batches that had not ended by then are
                read by the next run of the judge.
        """
        with self._runner:
            try:
                self._open = adopted(self._run.judge, sources)
                self._find_names()
                self._until_read()
                while self._hand_in():
                    self._until_read()
            finally:
                self._runner.run(self._close(sources))
        self._write_labels()
        if self._error is not None:
            raise self._error

    def stop(self, reason: str, error: Exception | None = None) -> None:
        """Hand nothing more in. The first reason counts."""
        self.stopped = self.stopped or reason
        self._error = self._error or error

    async def _close(self, sources: Sequence[Source]) -> None:
        await self._client.close()
        for source in sources:
            await source.provider.close()

    def _hand_in(self) -> bool:
        """Hand in the next questions; False where there are none, or nothing may be asked."""
        asks: list[Ask] = []
        most = min(MOST_QUESTIONS, self._client.most_questions)
        asks, self._again = self._again[:most], self._again[most:]
        while len(asks) < most and not self._feed.empty:
            asks += self._without_refused(self._feed.take(min(CHUNK, most - len(asks))))
        self._write_labels()
        if self.stopped or not asks:
            return False
        row, placed = self._write(asks)
        if placed:
            self._submit(row, placed)
        return bool(placed)

    def _without_refused(self, asks: Sequence[Ask]) -> list[Ask]:
        """Questions that are not to be sent are answered here."""
        sent = [ask for ask in asks if ask.question.messages]
        for ask in asks:
            if not ask.question.messages:
                self._books.place([ask])
                reply = self._runner.run(ask.source.provider.answer(ask.question))
                self._books.store([(ask, reply)])
                self._feed.settled(ask, reply.state)
        return sent

    @transaction.atomic
    def _write(self, asks: Sequence[Ask]) -> tuple[JudgeBatch, list[Ask]]:
        """The batch and its calls on the books, as many as the budget holds."""
        row = JudgeBatch.objects.create(run=self._run)
        placed: list[Ask] = []
        for start in range(0, len(asks), CHUNK):
            fitting = self._place(asks[start : start + CHUNK])
            placed += asks[start : start + fitting]
            if self.stopped:
                break
        row.keys = [ask.question.key for ask in placed]
        row.save(update_fields=["keys"])
        if not placed:
            row.delete()
        return row, placed

    def _place(self, asks: Sequence[Ask]) -> int:
        try:
            self._books.place(asks)
        except BudgetExceeded as refusal:
            self.stop(refusal.message, refusal)
            fitting = affordable(asks, refusal)
            return self._place(asks[:fitting]) if fitting else 0
        return len(asks)

    def _submit(self, row: JudgeBatch, asks: Sequence[Ask]) -> None:
        questions = [ask.question for ask in asks]
        handed = Handed(row, {ask.question.key: ask for ask in asks})
        try:
            row.provider_id = self._runner.run(self._client.submit(questions, name=name_of(row)))
        except ProviderError as error:
            self.stop(NOT_HANDED_IN % {"error": error})
            found = self._found(row) if error.unknown else None
            if found is None:
                self._settle_all(handed, error)
                return
            row.provider_id = found
        row.state = "handed in"
        row.save(update_fields=["provider_id", "state"])
        self._open.append(handed)

    def _find_names(self) -> None:
        """Batches whose handing in was cut short: there under our name, or nobody knows."""
        for handed in list(self._open):
            if handed.row.provider_id:
                continue
            handed.row.provider_id = self._found(handed.row) or ""
            handed.row.save(update_fields=["provider_id"])
            if not handed.row.provider_id:
                self._open.remove(handed)
                gone = "the process that handed the batch in died before it heard of it"
                self._settle_all(handed, ProviderError(Failure.LOST, gone, unknown=True))

    def _found(self, row: JudgeBatch) -> str | None:
        try:
            return self._runner.run(self._client.find(name_of(row)))
        except ProviderError:
            return None

    def _until_read(self) -> None:
        """Wait for all batches and read them; a cancel asks the provider to end them."""
        while self._open:
            for handed in list(self._open):
                if self._ended(handed) and self._read(handed):
                    self._open.remove(handed)
            self._write_labels()
            if not self._open or not self._pause():
                return

    def _pause(self) -> bool:
        """Some seconds with an eye on cancels; False once a cancelled run has waited enough."""
        until = time.monotonic() + (self._poll if self._deadline is None else LOOK_EVERY)
        while True:
            self._look_around()
            if self._deadline is not None and time.monotonic() > self._deadline:
                return False
            left = until - time.monotonic()
            if left <= 0:
                return True
            time.sleep(min(LOOK_EVERY, left))

    def _look_around(self) -> None:
        if self._deadline is not None:
            return
        try:
            self._look(self)
        except JobCancelled as cancelled:
            self.stop("cancelled", cancelled)
            self._deadline = time.monotonic() + self._grace
            for handed in self._open:
                self._cancel(handed.row)

    def _cancel(self, row: JudgeBatch) -> None:
        try:
            self._runner.run(self._client.cancel(row.provider_id))
        except ProviderError as error:
            self.stopped = NOT_CANCELLED % {"error": error}

    def _ended(self, handed: Handed) -> bool:
        """Ask how the batch is doing; trouble in asking is asked again at the next poll."""
        row = handed.row
        try:
            status = self._runner.run(self._client.state(row.provider_id))
        except ProviderError as error:
            self._trouble(handed, error)
            return False
        # The word for a batch that is on the books is ours alone.
        row.state, row.checked_at = status.word[:40].replace(SETTLED, "read"), timezone.now()
        row.save(update_fields=["state", "checked_at"])
        return status.ended

    def _read(self, handed: Handed) -> bool:
        """Put the results on the books as they are read; False where there is more to read."""
        results = self._client.results(handed.row.provider_id)
        try:
            while some := self._runner.run(take(results, CHUNK)):
                self._store(handed, [self._reply(handed, *result) for result in some])
        except ProviderError as error:
            self._trouble(handed, error)
            return False
        silent = ProviderError(Failure.LOST, "the batch ended without a word on it", unknown=True)
        self._settle_all(handed, silent)
        return True

    def _trouble(self, handed: Handed, error: ProviderError) -> None:
        """What cannot be read now is read at the next poll, or by the next run."""
        if error.retry or error.unknown:
            return
        if error.failure == Failure.NOT_FOUND and self._run.retry_unknown:
            # A wrong address says the same, so only who asks for it gives a batch up.
            gone = f"the provider knows no such batch: {error}"
            self._settle_all(handed, ProviderError(Failure.LOST, gone, unknown=True))
            self._open.remove(handed)
            return
        self.stop(NOT_READ % {"error": error})
        self._deadline = time.monotonic()

    def _reply(
        self, handed: Handed, key: str, result: Completion | ProviderError
    ) -> tuple[Ask, Reply] | None:
        ask = handed.asks.pop(key, None)
        if ask is None:
            return None
        if isinstance(result, ProviderError):
            ask.held = result.unknown
            return ask, lost(ask, result, 0)
        provider = ask.source.provider
        if not isinstance(provider, ChatProvider):
            raise TypeError("only chat models have batch endpoints")
        return ask, provider.asker.read(ask.question, result, 0)

    def _store(self, handed: Handed, replies: Sequence[tuple[Ask, Reply] | None]) -> None:
        known = [reply for reply in replies if reply is not None]
        self._books.store(known)
        if handed.adopted:
            return  # the feed finds them on the books
        for ask, reply in known:
            repeated = reply.state == CallState.UNPARSABLE
            again = self._feed.repeated(ask) if repeated else None
            if again is not None and not self.stopped:
                self._again.append(again)
            else:
                self._feed.settled(ask, reply.state)

    def _settle_all(self, handed: Handed, error: ProviderError) -> None:
        """The same end for all questions of a batch that have none, and with it for the batch."""
        for ask in handed.asks.values():
            ask.held = error.unknown
        self._store(handed, [(ask, lost(ask, error, 0)) for ask in handed.asks.values()])
        handed.asks.clear()
        handed.row.state = SETTLED
        handed.row.save(update_fields=["state"])

    def _write_labels(self) -> None:
        for source, states in self._feed.finished.items():
            self.outcome.update(self._label(source, states))
        self._feed.finished.clear()


def name_of(row: JudgeBatch) -> str:
    """Our name for a batch, told to the provider with it."""
    return f"tandem-batch-{row.pk}-{row.created_at:%Y%m%d%H%M%S}"


async def take(results: AsyncIterator[Result], most: int) -> list[Result]:
    """The next results, `most` at a time; none at the end."""
    found = []
    async for result in results:
        found.append(result)
        if len(found) == most:
            break
    return found
