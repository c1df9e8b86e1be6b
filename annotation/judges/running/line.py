"""The questions in flight: an event loop in its own thread, without the database."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from annotation.judges.providers.base import Provider, ProviderError

from .asks import Ask, Outcome

CLOSE_SECONDS = 5.0
# Seconds after which a thread that computes lets the other one go on. With Python's own 5 ms the
# loop would wait that long after each of its eight system calls for a question.
SWITCH_SECONDS = 0.0005


class Line:
    """Sends questions and hands back outcomes in the order they come home.

    A slow call holds up no other; `concurrency` of them are in flight at most, the others wait
    their turn. Leaving the block gives up what is still in flight.
    """

    def __init__(self, providers: Iterable[Provider], concurrency: int) -> None:
        self._providers = list(providers)
        self._places = asyncio.Semaphore(concurrency)
        self._loop = asyncio.new_event_loop()
        self._home: SimpleQueue[Outcome] = SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._switch = sys.getswitchinterval()
        self._thread = Thread(target=self._loop.run_forever, name="judge-line", daemon=True)

    def __enter__(self) -> Self:
        sys.setswitchinterval(SWITCH_SECONDS)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(CLOSE_SECONDS)
        finally:
            sys.setswitchinterval(self._switch)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CLOSE_SECONDS)
            if not self._thread.is_alive():
                self._loop.close()

    def send(self, asks: Sequence[tuple[Ask, float]]) -> None:
        """Ask each after so many seconds."""
        self._loop.call_soon_threadsafe(self._start, asks)

    def arrived(self, timeout: float, *, gather: float = 0.0) -> list[Outcome]:
        """Everything that came home, at least one unless `timeout` seconds passed without any.

        `gather`: seconds in which more may come after the first.
        """
        found: list[Outcome] = []
        try:
            found.append(
                self._home.get(timeout=timeout) if timeout > 0 else self._home.get_nowait()
            )
            time.sleep(gather)
            while True:
                found.append(self._home.get_nowait())
        except Empty:
            return found

    def _start(self, asks: Sequence[tuple[Ask, float]]) -> None:
        for ask, delay in asks:
            task = self._loop.create_task(self._ask(ask, delay))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, ask: Ask, delay: float) -> None:
        if delay > 0:
            await asyncio.sleep(delay)
        async with self._places:
            outcome = await _answered(ask)
        self._home.put(outcome)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for provider in self._providers:
            await provider.close()


async def _answered(ask: Ask) -> Outcome:
    started = time.monotonic()
    try:
        return Outcome(ask, reply=await ask.source.provider.answer(ask.question))
    except ProviderError as error:
        took = round((time.monotonic() - started) * 1000)
        return Outcome(ask, error=error, milliseconds=took)
    except Exception as fault:  # noqa: BLE001 - the engine stops in order and raises it
        return Outcome(ask, fault=fault)
