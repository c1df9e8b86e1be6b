"""Starting the endpoint for a test, and asking it what it charged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from .options import Options

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Running:
    """A running endpoint; `url` is its root, `openai` what clients take as base URL."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai(self) -> str:
        return f"{self.url}/v1"

    def bill(self) -> dict[str, Any]:
        """What it answered and charged, in all and by key; see `bill.Bill`."""
        bill: dict[str, Any] = self._get("/bill")
        return bill

    def arrivals(self) -> list[float]:
        """When questions arrived, seconds of a clock of its own."""
        arrivals: list[float] = self._get("/arrivals")
        return arrivals

    def change(self, options: Options) -> None:
        """Behave differently from now on."""
        self._get("/options", options.text().encode())

    def _get(self, path: str, body: bytes | None = None) -> Any:
        with urlopen(Request(self.url + path, data=body), timeout=10) as response:  # noqa: S310
            return json.loads(response.read())


@contextmanager
def endpoint(options: Options | None = None, **values: Any) -> Iterator[Running]:
    """A running endpoint in its own process, gone at the end; `values` as in `Options`."""
    options = options or Options(**values)
    command = [sys.executable, "-m", "tests.endpoint", options.text()]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Running(int(process.stdout.readline()), process.pid)
        finally:
            process.stdin.close()
            process.wait(10)
