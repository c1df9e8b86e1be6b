"""Asking a serving worker from a web process: the wait is bounded, and no model is loaded here."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import structlog
from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from core.exceptions import InvalidInput
from training.registry.models import ModelVersion
from training.registry.scale import offset_and_factor

from . import mailbox
from .asking import Request
from .exceptions import TooLarge, Unavailable

log = structlog.get_logger("training.serving")
START = "training.serve"
# A request of so many characters may take `SERVE_WAIT_SECONDS` once more, up to the most.
CHARACTERS, MOST_WAITS = 100_000, 10
# Requests that wait in line before new ones are turned away.
MOST_WAITING = 256
RETRY_SECONDS = 5
_SLOTS = threading.BoundedSemaphore(settings.SERVE_THREADS)


@dataclass(frozen=True)
class Scored:
    """One item's answer: a re-centred reward per completion, and the tokens that were read."""

    rewards: tuple[float, ...]
    tokens: int

    @property
    def order(self) -> list[int]:
        """Completions from the best to the worst; equal ones in the order they came in."""
        return sorted(range(len(self.rewards)), key=lambda place: -self.rewards[place])


def score(version: ModelVersion, request: Request) -> list[Scored]:
    """The rewards of all items, in their order.

    Raises:
        InvalidInput: the model refuses an item; the message is the model's.
        TooLarge: an item does not fit into the worker's memory.
        Unavailable: no worker answered in time, or too many requests wait already.
    """
    question = {
        "version": version.pk,
        "folder": version.folder,
        "annotator": request.annotator,
        "items": [
            {"messages": list(item.messages), "completions": list(item.completions)}
            for item in request.items
        ],
    }
    characters = sum(item.characters for item in request.items)
    with _slot():
        answer = _answered(question, min(MOST_WAITS, 1 + characters // CHARACTERS))
    if "failure" in answer:
        raise _failure(answer)
    offset, factor = offset_and_factor(version)
    return [
        Scored(tuple((reward - offset) * factor for reward in item["rewards"]), item["tokens"])
        for item in answer["items"]
    ]


def _answered(question: dict[str, Any], waits: int) -> dict[str, Any]:
    try:
        return _asked(connection(mailbox.address()), question, waits)
    except redis.RedisError as error:
        log.warning("broker away", error=str(error))
        raise Unavailable(
            "The broker cannot be reached: try again in a moment.", retry_after=RETRY_SECONDS
        ) from error


def _asked(client: "redis.Redis", question: dict[str, Any], waits: int) -> dict[str, Any]:
    """The answer; a worker that is there gets `waits` times as long as one that has to start."""
    name, patience = uuid.uuid4().hex, settings.SERVE_WAIT_SECONDS
    seconds = patience * waits
    if client.llen(mailbox.QUEUE) >= MOST_WAITING:
        raise Unavailable("Too many requests wait for the model.", retry_after=RETRY_SECONDS)
    _post(client, name, json.dumps(question), seconds)
    begun = time.monotonic()
    known: str | bytes = ""
    while time.monotonic() - begun < (seconds if known else patience):
        worker = client.get(mailbox.ALIVE)
        if worker is None:
            _ring(client)
        if known and worker != known:
            client.rpush(mailbox.QUEUE, name)  # whoever had it may be gone
        known = worker or ("" if time.monotonic() - begun > patience else known)
        if found := client.blpop([mailbox.answer_key(name)], timeout=1):
            answer: dict[str, Any] = json.loads(found[1])
            return answer
    client.delete(mailbox.request_key(name))
    raise Unavailable(
        "No worker has answered in time: the model may still be loading. Try again in a moment.",
        retry_after=RETRY_SECONDS,
    )


def _post(client: "redis.Redis", name: str, body: str, seconds: int) -> None:
    with client.pipeline() as pipe:
        pipe.set(mailbox.request_key(name), body, ex=seconds)
        pipe.rpush(mailbox.QUEUE, name)
        pipe.expire(mailbox.QUEUE, seconds + mailbox.ANSWER_SECONDS)
        pipe.execute()


def _ring(client: "redis.Redis") -> None:
    """Ask a Celery worker of the queue "serve" to start the process, at most every few seconds."""
    if client.set(mailbox.RINGING, "1", nx=True, ex=RETRY_SECONDS):
        try:
            current_app.send_task(START, queue="serve", expires=30, retry=False)
        except (OperationalError, OSError) as error:
            log.warning("serving could not be started", error=str(error))


@contextmanager
def _slot() -> Iterator[None]:
    """One of this process's threads that may wait: the others stay free for pages."""
    if not _SLOTS.acquire(blocking=False):
        raise Unavailable("This process is busy with other scores.", retry_after=1)
    try:
        yield
    finally:
        _SLOTS.release()


def _failure(answer: dict[str, Any]) -> Exception:
    message = str(answer.get("error", ""))[:500]
    if answer["failure"] in {"bad-request", "context"}:
        return InvalidInput(message)
    if answer["failure"] == "too-large":
        return TooLarge(message)
    return Unavailable(message, retry_after=RETRY_SECONDS)


@cache
def connection(url: str) -> "redis.Redis":
    """A pool of connections to the mailbox, one per process.

    Raises:
        Unavailable: the broker is no Redis.
    """
    if not url:
        raise Unavailable(
            "Scores need a Redis as broker: set BROKER_URL to one.", retry_after=RETRY_SECONDS
        )
    return redis.Redis.from_url(url, decode_responses=True, socket_connect_timeout=1)
