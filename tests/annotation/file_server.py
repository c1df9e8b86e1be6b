"""A web server on this machine that serves what a test says, well or badly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class FileServer:
    """Answers by path; `asked` are the paths of all requests, with headers in small letters."""

    url: str
    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def gives(self, path: str, content: bytes, **headers: str) -> str:
        """Serve a file; the URL of it."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            send(request, content, **headers)

        self.answers[path] = answer
        return self.url + path

    def leads(self, path: str, target: str) -> str:
        """Redirect a path; the URL of it."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", target)
            request.send_header("Content-Length", "0")
            request.end_headers()

        self.answers[path] = answer
        return self.url + path


def send(request: BaseHTTPRequestHandler, content: bytes, **headers: str) -> None:
    """A whole answer; names of headers are written with low lines."""
    request.send_response(200)
    named = {"Content-Length": str(len(content))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in named.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)


@contextmanager
def serving() -> Iterator[FileServer]:
    """A server on a port of its own, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            answer = server.answers.get(self.path.partition("?")[0])
            try:
                if answer is None:
                    self.send_error(404)
                else:
                    answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        port = listening.server_address[1]
        server = FileServer(f"http://127.0.0.1:{port}", port)
        Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield server
        finally:
            listening.shutdown()
