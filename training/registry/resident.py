"""A model process that stays loaded over a run: `python -m training judge` behind a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections import deque
from typing import Any

from django.conf import settings

from annotation.judges.models import Failure
from annotation.judges.providers.base import ProviderError
from training.runs.commands import environment, threads

Answer = dict[str, Any]
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
# A line holds one question or answer with whole completions.
LINE_MOST = 1 << 26
STDERR_LINES = 40
# A model that crashes this often will crash again.
STARTS = 3
KILLED = (
    "The model's process was killed, most likely because memory ran out: use a smaller model or "
    "completions, or give the worker more memory."
)


class Resident:
    """Starts the process with the first question and sends questions by id.

    The process is in a group of its own; it dies with `close` and with this process. After a
    crash every question in flight fails and the next one starts it anew, `STARTS` times at most.
    """

    def __init__(self, *options: str) -> None:
        limit = ["--threads", str(threads())] if threads() else []
        self._argv = [sys.executable, "-m", "training", "judge", *options, *limit]
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._readers: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._starts = 0
        self._why_not = ""
        self._number = 0

    async def ask(self, **fields: Any) -> Answer:
        """The answer to one question of the command `judge`.

        Raises:
            ProviderError: the model refused it, or the process refused to start or ended.
        """
        process = await self._running()
        assert process.stdin is not None
        self._number += 1
        name = str(self._number)
        line = json.dumps({"id": name, **fields}) + "\n"
        future = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            with contextlib.suppress(ConnectionError):  # it ended: its reader says why
                process.stdin.write(line.encode())
                await process.stdin.drain()
            answer: Answer = await future
        finally:
            self._waiting.pop(name, None)
        if "failure" in answer:
            raise ProviderError(Failure(answer["failure"]), str(answer["error"]))
        return answer

    async def close(self) -> None:
        """End the process and all it started; every later question is refused."""
        self._why_not = self._why_not or "The run has ended."
        process, readers = self._process, self._readers
        if process is not None:
            _kill_group(process.pid)
            await process.wait()
            await asyncio.gather(*readers, return_exceptions=True)

    @property
    def closed(self) -> bool:
        return bool(self._why_not)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process else None

    async def _running(self) -> asyncio.subprocess.Process:
        async with self._starting:
            if self._why_not:
                raise ProviderError(Failure.NOT_FOUND, self._why_not)
            if self._process is None:
                self._process = await self._start()
        return self._process

    async def _start(self) -> asyncio.subprocess.Process:
        self._starts += 1
        self._stderr.clear()
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=settings.BASE_DIR,
            env=environment(),
            limit=LINE_MOST,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        noted = asyncio.create_task(self._note(process))
        self._readers = [noted, asyncio.create_task(self._listen(process, noted))]
        return process

    async def _listen(self, process: asyncio.subprocess.Process, noted: asyncio.Task[None]) -> None:
        """Hand out the answers; where the process ends, fail what is in flight."""
        assert process.stdout is not None
        refusal = ""
        async for line in process.stdout:
            answer = _object(line)
            if answer.get("event") == "error":
                refusal = f"{answer.get('message', '')} {answer.get('hint', '')}".strip()
            future = self._waiting.get(str(answer.get("id")))
            if future is not None and not future.done():
                future.set_result(answer)
        code = await process.wait()
        _kill_group(process.pid)  # what it started goes with it
        await asyncio.wait([noted], timeout=1)
        self._ended(refusal or self._why(code), again=not refusal and self._starts < STARTS)

    def _ended(self, why: str, *, again: bool) -> None:
        self._process = None
        if not again:
            self._why_not = self._why_not or why
        failure = Failure.SERVER if again else Failure.NOT_FOUND
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ProviderError(failure, why, retry=again))

    def _why(self, code: int) -> str:
        if code == -signal.SIGKILL:
            return KILLED
        tail = "\n".join(self._stderr)[-2000:]
        return f"The model's process ended with code {code}.\n{tail}".strip()

    async def _note(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self._stderr.append(line.decode("utf-8", "replace").rstrip()[:500])


def _object(line: bytes) -> Answer:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def die_with_parent() -> None:
    """Between fork and exec: the kernel kills the new process when its parent ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
