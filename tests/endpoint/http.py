"""HTTP/1.1 with keep-alive on asyncio: as little of it as a judge's client needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

REASONS = {200: "OK", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Ending(StrEnum):
    """How a response leaves: whole, cut within the body, or not at all."""

    WHOLE = "whole"
    HALF = "half"
    NONE = "none"


@dataclass
class Response:
    """`delay` in seconds; `left` is called when it has been written or given up."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ending: Ending = Ending.WHOLE
    left: Callable[[], None] | None = None

    def encoded(self) -> bytes:
        lines = [
            f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Error')}",
            f"Content-Length: {len(self.body)}",
        ]
        headers = {"Content-Type": "application/json", **self.headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


Answer = Callable[[Request], Response]


class Connection(asyncio.Protocol):
    """One client's connection; its requests are answered one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _next(self) -> None:
        if self._busy or (request := self._take()) is None:
            return
        self._busy = True
        response = self._answer(request)
        if response.delay > 0:
            asyncio.get_running_loop().call_later(response.delay, self._send, response)
        else:
            self._send(response)

    def _take(self) -> Request | None:
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return None
        self._buffer = rest[length:]
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, rest[:length])

    def _send(self, response: Response) -> None:
        if response.left is not None:
            response.left()
        self._busy = False
        if self._transport is None or self._transport.is_closing():
            return
        data = response.encoded()
        if response.ending == Ending.WHOLE:
            self._transport.write(data)
            self._next()
            return
        if response.ending == Ending.HALF:
            self._transport.write(data[: len(data) - max(1, len(response.body) // 2)])
        self._transport.close()
