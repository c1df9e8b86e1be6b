"""A real HTTP server on loopback that answers chat completions as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Gets the request's body and its number; gives (status, headers, reply).
Behaviour = Callable[[dict[str, Any], int], tuple[int, dict[str, str], dict[str, Any]]]


class ChatServer:
    def __init__(self, behaviour: Behaviour) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.arrived = threading.Event()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with outer._lock:
                    outer.bodies.append(body)
                    outer.headers.append(dict(self.headers))
                    number = len(outer.bodies)
                outer.arrived.set()
                status, headers, reply = behaviour(body, number)
                data = json.dumps(reply).encode()
                try:
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(data))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    return  # the client has gone

            def log_message(self, *args: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[ChatServer]:
    server = ChatServer(behaviour)
    thread = threading.Thread(target=server.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
        thread.join()


def reply(
    text: str, *, top: dict[str, float] | None = None, usage: tuple[int, int] | None = (100, 1)
) -> dict[str, Any]:
    """A chat completion; `top` has the log-probabilities of the first token."""
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}}
    if top is not None:
        alternatives = [{"token": token, "logprob": value} for token, value in top.items()]
        choice["logprobs"] = {"content": [{"token": text, "top_logprobs": alternatives}]}
    body: dict[str, Any] = {"choices": [choice]}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return body
