"""A server on loopback that sends whatever bytes a test gives it, well-formed or not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Event, Thread
from typing import Any

# Keeps the connection open and says nothing.
SILENCE = b"silence"
# What comes before this is sent, and then nothing, with the connection open.
HANG = b"\0hang"
# What comes before this is sent, and then a space ten times a second for ever.
DRIP = b"\0drip"


class RawServer:
    def __init__(self, answers: list[bytes]) -> None:
        self.answers = answers
        self.heads: list[str] = []
        self.bodies: list[Any] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length")]
        length = int(lengths[0].split(":")[1]) if lengths else 0
        body = await reader.readexactly(length)
        self.heads.append(head)
        self.bodies.append(json.loads(body) if body.startswith(b"{") else body)
        answer = self.answers[min(len(self.heads), len(self.answers)) - 1]
        if answer != SILENCE:
            writer.write(answer.removesuffix(HANG).removesuffix(DRIP))
            await writer.drain()
        while answer.endswith(DRIP):
            await asyncio.sleep(0.1)
            writer.write(b" ")
            await writer.drain()
        if answer == SILENCE or answer.endswith(HANG):
            await reader.read()  # until the client leaves


@asynccontextmanager
async def raw(*answers: bytes) -> AsyncIterator[RawServer]:
    """The first question gets the first answer; the last answer is repeated."""
    made = RawServer(list(answers))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield made


@contextmanager
def serving(*answers: bytes) -> Iterator[RawServer]:
    """The same in a thread of its own, for code that is not asynchronous."""
    ready, stop = Event(), Event()
    made: list[RawServer] = []

    async def serve() -> None:
        async with raw(*answers) as server:
            made.append(server)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0]
    finally:
        stop.set()
        thread.join()


def response(status: int, body: Any = "", **headers: str) -> bytes:
    """A whole response; a body that is no text is sent as JSON."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} Something", f"Content-Length: {len(content)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
