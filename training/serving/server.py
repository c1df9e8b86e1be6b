"""The serving worker: takes requests from the mailbox and answers them with resident models.

Requests that wait together are answered in common passes of their model (`python -m training
judge` batches what stands in its pipe).
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from typing import Any

import structlog
from django.conf import settings
from redis import RedisError
from redis.asyncio import Redis

from annotation.judges.models import Failure
from annotation.judges.providers.base import ProviderError
from core.exceptions import ApplicationError
from training.registry.resident import Resident

from . import mailbox
from .loaded import Models

# Items of one request in the model's pipe: a large batch does not keep the others waiting.
AT_ONCE = 64
log = structlog.get_logger("training.serving")


class Server:
    """Runs until nobody has asked for `SERVE_IDLE_SECONDS`, or until a signal."""

    def __init__(self, client: "Redis") -> None:
        self._client = client
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._idle = float(settings.SERVE_IDLE_SECONDS)
        self._models = Models(settings.SERVE_MEMORY_MB * 1_000_000, self._idle)
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = time.monotonic()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Serve until idle or stopped; what was taken is answered first."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        heart = asyncio.create_task(self._beat())
        log.info("serving")
        try:
            while not self._stopping.is_set() and not self._is_idle():
                await self._take()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            heart.cancel()
            await self._models.close()
            with contextlib.suppress(RedisError, OSError):
                await self._client.delete(mailbox.ALIVE)
        log.info("serving ended")

    def _is_idle(self) -> bool:
        return not self._tasks and time.monotonic() - self._asked > self._idle

    async def _take(self) -> None:
        try:
            found = await self._client.blpop([mailbox.QUEUE], timeout=1)
        except (RedisError, OSError) as error:
            log.warning("broker away", error=str(error))
            await asyncio.sleep(1)
            return
        if found is None:
            await self._models.unload_idle()
            return
        self._asked = time.monotonic()
        task = asyncio.create_task(self._serve(str(found[1])))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _beat(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await self._client.set(mailbox.ALIVE, self._name, ex=mailbox.HEARTBEAT_SECONDS)
            await asyncio.sleep(mailbox.HEARTBEAT_SECONDS / 3)

    async def _serve(self, name: str) -> None:
        """Answer a request; one that expired or was answered meanwhile is passed over."""
        body = await self._client.get(mailbox.request_key(name))
        if body is None:
            return
        question = json.loads(body)
        begun = time.monotonic()
        answer = await self._answer(question)
        async with self._client.pipeline() as pipe:
            pipe.delete(mailbox.request_key(name))
            pipe.rpush(mailbox.answer_key(name), json.dumps(answer))
            pipe.expire(mailbox.answer_key(name), mailbox.ANSWER_SECONDS)
            await pipe.execute()
        log.info(
            "scored",
            version=question["version"],
            items=len(question["items"]),
            milliseconds=round((time.monotonic() - begun) * 1000),
            failure=answer.get("failure", ""),
        )

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """The rewards; a model whose process died is asked once more."""
        for again in (True, False):
            try:
                async with self._models.using(question["folder"]) as model:
                    return {"items": await _rewards(model, question)}
            except ProviderError as error:
                if not (again and error.retry):
                    return {"failure": str(error.failure), "error": str(error)}
            except ApplicationError as error:
                return {"failure": str(Failure.NOT_FOUND), "error": error.message}
            except Exception:
                log.exception("a request failed")
                return {"failure": str(Failure.SERVER), "error": "The worker met an error."}
        raise AssertionError  # the second round returns


async def _rewards(model: Resident, question: dict[str, Any]) -> list[dict[str, Any]]:
    extra = {"annotator": question["annotator"]} if question["annotator"] else {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(item: dict[str, Any]) -> dict[str, Any]:
        async with gate:
            return await model.ask(**item, **extra)

    answers = await asyncio.gather(*map(ask, question["items"]))
    return [{"rewards": each["rewards"], "tokens": each["input_tokens"]} for each in answers]


def main() -> None:
    """Serve from this process."""

    async def serve() -> None:
        client = Redis.from_url(mailbox.address(), decode_responses=True)
        try:
            await Server(client).run()
        finally:
            await client.aclose()

    asyncio.run(serve())
