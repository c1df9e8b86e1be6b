"""`python -m tests.endpoint OPTIONS`: serve on a free port and print it; ends with its parent."""

from __future__ import annotations

import asyncio
import gc
import json
import sys

from .batches import BATCHES, Batches
from .bill import Bill
from .http import Connection, Request, Response
from .judging import Judge
from .options import Options


class Endpoint:
    """Routes. /bill, /arrivals and /options are the test's own door."""

    def __init__(self, options: Options) -> None:
        self.bill = Bill()
        self.judge = Judge(options, self.bill)
        self.batches = Batches(self.judge)

    def answer(self, request: Request) -> Response:
        now = asyncio.get_running_loop().time()
        if request.path in ("/v1/chat/completions", "/v1/messages"):
            return self.judge.respond(request, now)
        if request.path.startswith(BATCHES):
            return self.batches.respond(request, now)
        if request.path == "/bill":
            return Response(200, json.dumps(self.bill.as_json()).encode())
        if request.path == "/arrivals":
            return Response(200, json.dumps(self.bill.arrivals).encode())
        if request.path == "/options":
            return self._change(Options.parsed(request.body))
        return Response(404, b'{"error": {"message": "Unknown path."}}')

    def _change(self, options: Options) -> Response:
        """New options from here on; visits, kept replies and the bill stay."""
        fresh = Judge(options, self.bill)
        self.judge.options = options
        self.judge.limits = fresh.limits
        return Response()


async def serve(options: Options) -> None:
    endpoint = Endpoint(options)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(endpoint.answer), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # The parent keeps the other end of stdin: it closes when the parent dies.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    gc.freeze()
    asyncio.run(serve(Options.parsed(sys.argv[1]) if len(sys.argv) > 1 else Options()))
